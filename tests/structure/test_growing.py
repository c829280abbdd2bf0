#!/usr/bin/env python3
"""Every struct that grows between releases is tried at the sizes of older and later ones: it has a row in
one of tests/unit/test_growing_*.c. The list comes from the headers."""
import glob
import os
import re

import tree
from pycparser import c_ast
from tap import check, plan

# Made by the library and handed to callbacks, or made by the implementation of a table: no caller's
# size is ever read.
HANDED_OUT = {"wsrt_alert", "wsrt_breaker_shared", "wsrt_breaker_shared_key", "wsrt_connection_info",
              "wsrt_fallback_info", "wsrt_jwks_fetch", "wsrt_response"}


def structs():
    """(name, declarations of its members) of every public struct"""
    for d in tree.parsed(sorted(tree.CORE + tree.ADAPTERS)).ext:
        inner = d.type.type if isinstance(d, c_ast.Typedef) and isinstance(
            d.type, c_ast.TypeDecl) else None
        if isinstance(inner, c_ast.Struct) and inner.decls:
            yield d.name, inner.decls


def type_name(member):
    """The name of the type that a member holds by value."""
    held = member.type
    while isinstance(held, c_ast.ArrayDecl):
        held = held.type
    plain = isinstance(held, c_ast.TypeDecl) and isinstance(held.type, c_ast.IdentifierType)
    return held.type.names[0] if plain else None


def growing():
    return {name for name, members in structs() if members[0].name == "struct_size"}


rows = set()
for path in glob.glob(os.path.join(tree.ROOT, "tests", "unit", "test_growing_*.c")):
    with open(path, encoding="utf-8") as source:
        rows |= set(re.findall(r"ROW\((wsrt_\w+),|sizeof\((wsrt_\w+)\), FILLED", source.read()))
rows = {name for pair in rows for name in pair if name}
names = growing()
check("every growing struct is tried at other sizes",
      [f"{name} has no row" for name in sorted(names - rows - HANDED_OUT)])
check("every row names a growing struct",
      [f"{name} does not grow" for name in sorted((rows | HANDED_OUT) - names)])
check("no struct that grows is held by value in another",
      [f"{name}.{member.name} is a {type_name(member)}" for name, members in structs()
       for member in members if type_name(member) in names])
plan()
