#!/usr/bin/env python3
"""A program shown in a document is a file that the build compiles: the two texts are the same."""
import os
import re

import tree
from tap import check, plan

SHOWN = re.compile(r"<!-- program: (\S+) -->\n```c\n(.*?)```", re.S)


def documents():
    yield "README.md"
    for name in sorted(os.listdir(os.path.join(tree.ROOT, "docs"))):
        if name.endswith(".md"):
            yield "docs/" + name


def read(path):
    with open(os.path.join(tree.ROOT, path), encoding="utf-8") as text:
        return text.read()


def without_opening_comment(text):
    return re.sub(r"\A/\*.*?\*/\n+", "", text, flags=re.S)


def shown():
    for document in documents():
        for path, program in SHOWN.findall(read(document)):
            yield document, path, program


def differences():
    for document, path, program in shown():
        if not os.path.exists(os.path.join(tree.ROOT, path)):
            yield f"{document}: {path} is missing"
        elif without_opening_comment(read(path)) != program:
            yield f"{document}: differs from {path}"


def not_built():
    for document, path, _ in shown():
        folder, name = os.path.split(path)
        if name.endswith(".c") and f"'{name}'" not in read(folder + "/meson.build"):
            yield f"{document}: {path} is not built"


check("programs shown in documents are the files they name", differences())
check("programs shown in documents are built", not_built())
check("the readme and the guide to testing show a program",
      {"README.md", "docs/testing.md"} - {document for document, _, _ in shown()})
plan()
