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


def warnings():
    for page in PAGES:
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"})
        yield from (line.replace(tree.ROOT + "/", "") for line in done.stderr.splitlines())


def stale():
    made = tree.run(sys.executable, os.path.join(tree.ROOT, "scripts", "manual"), "--print",
                    tree.BUILD)
    for name, source in ("wsrt.1", "COMMAND --help"), ("wsrt-config.5", "export config-schema"):
        with open(os.path.join(tree.ROOT, "docs", "man", name), encoding="utf-8") as text:
            if text.read() not in made:
                yield f"docs/man/{name} is not what scripts/manual makes of wsrt {source}"


check("mandoc finds no fault with the pages", lint() if PAGES else ["no page"])
check("groff has nothing to warn of", warnings())
check("the options of wsrt(1) are those of the tool", stale())
plan()
