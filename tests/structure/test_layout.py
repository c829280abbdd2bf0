#!/usr/bin/env python3
"""Sizes, offsets and enumerators of the public headers are those written down in abi/."""
import difflib
import os
import shutil

import tree
from layout import layout
from tap import check, plan

COMPILERS = {"x86_64": "cc", "i686": "i686-linux-gnu-gcc"}

for arch, compiler in COMPILERS.items():
    path = os.path.join(tree.ROOT, "abi", f"layout.{arch}.txt")
    if shutil.which(compiler) is None:
        check(f"{arch}: the layout is the committed one", [f"{compiler} is missing"])
        continue
    old = open(path, encoding="utf-8").read().splitlines() if os.path.exists(path) else []
    check(f"{arch}: the layout is the committed one",
          list(difflib.unified_diff(old, layout(compiler).splitlines(), f"abi/layout.{arch}.txt",
                                    "headers", lineterm="", n=0)))
plan()
