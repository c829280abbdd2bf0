#!/usr/bin/env python3
"""The floors hold: a file includes only what stands below it."""
import os
import re

import tree
from tap import check, plan

FLOOR = {"base": 0, "json": 0, "runtime": 2, "stream": 2, "abi": 4}
PUBLIC_FLOOR = {"base": 0, "json": 0, "runtime": 2, "wsrt": 3, "stream": 2}


def includes(path):
    with open(os.path.join(tree.ROOT, path), encoding="utf-8") as text:
        for n, line in enumerate(text, 1):
            m = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
            if m:
                yield n, m.group(1), m.group(2)


def core_problems():
    for path in tree.sources("src"):
        parts = path.split("/")
        if len(parts) < 3:
            continue
        room, floor = parts[1], FLOOR.get(parts[1], 1)
        for n, _, name in includes(path):
            target = name.split("/")
            if target[0] == "wsrt" and len(target) == 2:
                other, below = target[1][:-2], PUBLIC_FLOOR.get(target[1][:-2], 1)
            elif len(target) == 2 and os.path.isdir(os.path.join(tree.ROOT, "src", target[0])):
                other, below = target[0], FLOOR.get(target[0], 1)
            else:
                continue
            if other != room and below >= floor and not (floor == 0 and other == "base"):
                yield f"{path}:{n}: {room} (floor {floor}) includes {other} (floor {below})"


def header_problems():
    for path in tree.sources("include"):
        room = os.path.basename(path)[:-2]
        floor = PUBLIC_FLOOR.get(room, 3 if room in ("server", "lambda", "mock", "jwt", "sqlite", "aws") else 1)
        for n, _, name in includes(path):
            if not name.startswith("wsrt/"):
                if name not in ("stdint.h", "stddef.h"):
                    yield f"{path}:{n}: {name}"
                continue
            other = name[5:-2]
            if PUBLIC_FLOOR.get(other, 1) >= floor and room != "wsrt" and not (
                    floor == 0 and other == "base"):
                yield f"{path}:{n}: {room} includes {other}"


def adapter_problems():
    for path in tree.sources("adapters"):
        room = path.split("/")[1]
        for n, _, name in includes(path):
            first = name.split("/")[0]
            if os.path.isdir(os.path.join(tree.ROOT, "src", first)) and "/" in name:
                yield f"{path}:{n}: reaches into the core: {name}"
            if os.path.isdir(os.path.join(tree.ROOT, "adapters", first)) and first not in (
                    room, "common") and "/" in name:
                yield f"{path}:{n}: reaches into another adapter: {name}"


def upper_problems():
    for path in tree.sources("tools", "examples"):
        for n, _, name in includes(path):
            first = name.split("/")[0]
            if "/" in name and os.path.isdir(os.path.join(tree.ROOT, "src", first)):
                yield f"{path}:{n}: reaches into the core: {name}"
            if path.startswith("examples") and name.startswith("common/"):
                yield f"{path}:{n}: an example uses what is not installed: {name}"


def mbedtls_problems():
    for path in tree.sources("include", "src", "adapters", "tools"):
        for n, _, name in includes(path):
            if name.startswith("mbedtls/") and os.path.basename(path) != "compat.h":
                yield f"{path}:{n}: {name}"


check("a room of the core includes only rooms below it", core_problems())
check("a public header includes only headers below it and the two standard ones",
      header_problems())
check("an adapter uses public headers, its own folder and common/", adapter_problems())
check("tools and examples use public headers", upper_problems())
check("mbedTLS is included by the compatibility file of a library alone", mbedtls_problems())
plan()
