#!/usr/bin/env python3
"""The manual pages say what the tool says, and mandoc has nothing to say about them."""
import glob
import os
import subprocess
import sys

import tree
from tap import check, plan

PAGES = sorted(glob.glob(os.path.join(tree.ROOT, "docs", "man", "*.[1-9]")))


def lint():
    for page in PAGES:
        done = subprocess.run(["mandoc", "-T", "lint", page], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT)
        for line in done.stdout.splitlines():
            # Only what is installed is found.
            if "referenced manual not found" not in line and "mandoc.db" not in line:
                yield line.replace(tree.ROOT + "/", "")


def stale():
    made = tree.run(sys.executable, os.path.join(tree.ROOT, "scripts", "manual"), "--print",
                    tree.BUILD)
    with open(os.path.join(tree.ROOT, "docs", "man", "wsrt.1"), encoding="utf-8") as text:
        if text.read() != made:
            yield "docs/man/wsrt.1 is not what scripts/manual makes of wsrt COMMAND --help"


check("mandoc finds no fault with the pages", lint() if PAGES else ["no page"])
check("the options of wsrt(1) are those of the tool", stale())
plan()
