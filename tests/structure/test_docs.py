#!/usr/bin/env python3
"""What a document shows is true: a program is a file that the build compiles, a fragment of C stands in
one, a session is typed by a test or run by the one that is named. A comment above the block says which:
`program: FILE`, `fragment: FILE`, `session: install`, `run by: TEST`, or `not run: REASON`."""
import os
import re

import tree
from tap import check, plan

SHOWN = re.compile(r"<!-- program: (\S+) -->\n```c\n(.*?)```", re.S)


BLOCK = re.compile(r"(?:<!-- ([\w ]+): ([^\n]*) -->\n)?```(\w*)\n(.*?)```", re.S)
MARKS = {
    "c": {"program", "fragment"},
    "console": {"session", "run by"},
    "python": {"run by"},
    "sh": {"run by", "not run"},
}


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


def blocks(kind):
    """(document, mark, its argument, text) of the blocks of one language."""
    for document in documents():
        for mark, argument, language, text in BLOCK.findall(read(document)):
            if language == kind:
                yield document, mark, argument, text


def unmarked():
    for kind, marks in MARKS.items():
        for document, mark, _, text in blocks(kind):
            # What README shows beside its program is the subject of every other test.
            if mark not in marks and not (document == "README.md" and kind == "sh"):
                yield f"{document}: nothing runs '{text.splitlines()[0]}'"


def trimmed(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def not_there():
    for document, mark, path, text in blocks("c"):
        if mark != "fragment":
            continue
        wanted, lines = trimmed(text), trimmed(read(path))
        if not any(lines[i:i + len(wanted)] == wanted for i in range(len(lines))):
            yield f"{document}: '{wanted[0]}' and what follows is not in {path}"


def not_run():
    for kind in MARKS:
        for document, mark, path, _ in blocks(kind):
            if mark == "run by" and os.path.basename(document) not in read(path):
                yield f"{document}: {path} does not know it"
            if mark == "not run" and len(path.split()) < 3:
                yield f"{document}: '{path}' is no reason"


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


def lost_tests():
    """A page that names the tests of its promises names none that is gone."""
    page = read("docs/security.md")
    text = "".join(read(path) for path in tree.sources("tests", endings=(".c", ".py")))
    names = "".join(name for _, _, files in os.walk(os.path.join(tree.ROOT, "tests")) for name in files)
    for name in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", page[page.index("## Attacks"):]):
        if name not in text and name not in names:
            yield f"docs/security.md: {name} is no test"


check("programs shown in documents are the files they name", differences())
check("tests that the page on security names are there", lost_tests())
check("programs shown in documents are built", not_built())
check("every program, fragment and session says what runs it", unmarked())
check("fragments stand in the files they name", not_there())
check("tests that are said to run a document know it", not_run())
def gates_untold():
    """Gates of planted faults that docs/testing.md does not list."""
    table = read("docs/testing.md").split("## The gates", 1)[-1]
    for name in sorted(os.listdir(os.path.join(tree.ROOT, "tests", "planted"))):
        gate = re.match(r"Gate: (.*)\n", read("tests/planted/" + name))
        if gate and not re.search(r"(?:^\| |, )" + re.escape(gate.group(1)) + r"(?:,| \|)", table, re.M):
            # (a) to (e) share their name with the first
            if not re.fullmatch(r"ABI \([b-e]\)", gate.group(1)):
                yield f"{name}: {gate.group(1)}"


def not_installed():
    """Pages that who has the package alone would not find."""
    installed = read("docs/meson.build")
    for document in documents():
        if document.startswith("docs/") and f"'{os.path.basename(document)}'" not in installed:
            yield document


check("every page is installed", not_installed())
check("the guide to testing lists every gate that a fault is planted for", gates_untold())
check("the readme and the guide to testing show a program",
      {"README.md", "docs/testing.md"} - {document for document, _, _ in shown()})
plan()
