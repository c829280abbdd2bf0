#!/usr/bin/env python3
"""Sizes, offsets and enumerators of the public headers are those written down in abi/."""
import difflib
import os
import shutil

import tree
from layout import layout
from tap import check, plan

COMPILERS = {"x86_64": "cc", "i686": "i686-linux-gnu-gcc"}
EMULATED = ("aarch64", "s390x")  # their lanes run the program; structs are laid out as on x86-64


def committed(arch):
    path = os.path.join(tree.ROOT, "abi", f"layout.{arch}.txt")
    return open(path, encoding="utf-8").read().splitlines() if os.path.exists(path) else []


for arch, compiler in COMPILERS.items():
    if shutil.which(compiler) is None:
        check(f"{arch}: the layout is the committed one", [f"{compiler} is missing"])
        continue
    check(f"{arch}: the layout is the committed one",
          list(difflib.unified_diff(committed(arch), layout(compiler).splitlines(), f"abi/layout.{arch}.txt",
                                    "headers", lineterm="", n=0)))
for arch in EMULATED:
    check(f"{arch}: the committed layout is that of the other machines of 64 bits",
          list(difflib.unified_diff(committed(arch), committed("x86_64"), f"abi/layout.{arch}.txt",
                                    "abi/layout.x86_64.txt", lineterm="", n=0)))
plan()
