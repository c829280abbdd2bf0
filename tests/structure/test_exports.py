#!/usr/bin/env python3
"""Headers, version scripts and libraries name the same functions; the ABI is the committed one."""
import os
import re

import tree
from tap import check, plan


def differences(a, b, a_name, b_name):
    for symbol in sorted(set(a) - set(b)):
        yield f"{symbol} is in {a_name}, not in {b_name}"
    for symbol in sorted(set(b) - set(a)):
        yield f"{symbol} is in {b_name}, not in {a_name}"


def committed(name):
    path = os.path.join(tree.ROOT, "abi", name)
    return open(path, encoding="utf-8").read().splitlines() if os.path.exists(path) else []


for library, (folder, heads) in tree.LIBRARIES.items():
    script = f"{folder}/{library}.map"
    functions, symbols = tree.declared_functions(heads), tree.mapped(script)
    check(f"{library}: every declared function is in the version script, and no other",
          differences(functions, symbols, "the headers", script))
    check(f"{library}: the library exports what the version script says, under its node",
          list(differences(symbols, tree.exported(library), script, "the library"))
          + [f"{s} has node {n}" for s, n in tree.exported(library).items()
             if symbols.get(s) not in (None, n)])
    check(f"{library}: the symbols are those of abi/{library}.symbols",
          differences(committed(f"{library}.symbols"),
                      sorted(f"{s}@{n}" for s, n in tree.exported(library).items()),
                      "the committed list", "the library"))
    check(f"{library}: debug information is there for the ABI comparison",
          [] if ".debug_info" in tree.run("readelf", "-SW", tree.shared(library))
          else ["no .debug_info"])
    check(f"{library}: the soname carries the family's number",
          [] if f"[lib{library}.so.0]" in tree.run("readelf", "-d", tree.shared(library))
          else ["soname is not .so.0"])

table = open(os.path.join(tree.ROOT, "src", "abi", "constants.c"), encoding="utf-8").read()
listed = set(re.findall(r"ROW\((WSRT_\w+)\)", table))
from pycparser import c_ast  # noqa: E402


class Enumerators(c_ast.NodeVisitor):
    names = set()

    def visit_Enumerator(self, node):
        if not node.name.endswith("_"):
            self.names.add(node.name)


Enumerators().visit(tree.parsed(tree.CORE))
check("wsrt_constant knows every enumerator of the core",
      differences(Enumerators.names, listed, "the headers", "constants.c"))
plan()
