#!/usr/bin/env python3
"""No test is lost: every file of tests is run or built, every row of counts.txt is a test."""
import json
import os

import tree
from tap import check, plan

TESTS = json.loads(tree.run("meson", "introspect", "--tests", tree.BUILD))
with open(os.path.join(tree.BUILD, "compile_commands.json"), encoding="utf-8") as _commands:
    COMPILED = {os.path.realpath(os.path.join(c["directory"], c["file"]))
                for c in json.load(_commands)}
STARTED = {os.path.realpath(word) for test in TESTS for word in test["cmd"]}
# A build without some library rightly lacks its tests; the lanes build them all.
TARGETS = {t["name"] for t in json.loads(tree.run("meson", "introspect", "--targets", tree.BUILD))}
COMPLETE = TARGETS >= {"wsrt", "wsrt-server", "wsrt-lambda", "wsrt-mock", "wsrt-jwt", "wsrt-sqlite"}


def guarded():
    """Names under which the guard looks for a test's least number of cases."""
    for test in TESTS:
        for counts, name in zip(test["cmd"], test["cmd"][1:]):
            if counts.endswith("counts.txt"):
                yield name


def rows():
    with open(os.path.join(tree.ROOT, "tests", "counts.txt"), encoding="utf-8") as text:
        return [line.split()[0] for line in text if not line.startswith("#")]


def of_tests():
    """The rows, NAME/TAG as NAME."""
    return [name.split("/")[0] for name in rows()]


def idle_files():
    for place, _, files in os.walk(os.path.join(tree.ROOT, "tests")):
        if "node_modules" in place:
            continue
        for name in sorted(files):
            path = os.path.realpath(os.path.join(place, name))
            if name.startswith("test_") and name.endswith((".c", ".cc", ".cpp", ".py", ".mjs")) \
                    and path not in COMPILED | STARTED:
                yield os.path.relpath(path, tree.ROOT)


check("every row of counts.txt is a test of this build",
      (f"{name} is not a test" for name in of_tests() if COMPLETE and name not in guarded()))
check("every test that is counted has one row",
      (f"{name} has {rows().count(name)} rows" for name in guarded() if rows().count(name) != 1))
check("every test file of the tree is built or started", idle_files() if COMPLETE else [])
plan()
