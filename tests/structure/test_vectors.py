#!/usr/bin/env python3
"""Vectors are what their own model says: C, model and file agree, or one of them is wrong."""
import os
import subprocess
import sys

import tree
from tap import check, plan

FOLDER = os.path.join(tree.ROOT, "tests", "vectors")


def stale():
    for name in sorted(os.listdir(FOLDER)):
        model, ending = os.path.splitext(name)
        if ending != ".py":
            continue
        made = subprocess.run([sys.executable, os.path.join(FOLDER, name)], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        with open(os.path.join(FOLDER, model + ".json"), encoding="utf-8") as text:
            if text.read() != made:
                yield f"tests/vectors/{name} > tests/vectors/{model}.json makes another file"


check("vectors are made by their models", stale())
plan()
