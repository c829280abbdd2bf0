#!/usr/bin/env python3
"""Every struct of the core that grows between releases is tried at the sizes of older and later ones: it
has a row in tests/unit/test_growing.c. The list comes from the headers."""
import os
import re

import tree
from pycparser import c_ast
from tap import check, plan

# Made by the library and handed to callbacks, or made by the implementation of a table: no caller's
# size is ever read.
HANDED_OUT = {"wsrt_alert", "wsrt_breaker_shared", "wsrt_breaker_shared_key", "wsrt_connection_info",
              "wsrt_fallback_info", "wsrt_response"}


def growing():
    for d in tree.parsed(sorted(tree.CORE)).ext:
        inner = d.type.type if isinstance(d, c_ast.Typedef) and isinstance(
            d.type, c_ast.TypeDecl) else None
        if isinstance(inner, c_ast.Struct) and inner.decls and inner.decls[0].name == "struct_size":
            yield d.name


with open(os.path.join(tree.ROOT, "tests", "unit", "test_growing.c"), encoding="utf-8") as source:
    rows = set(re.findall(r"ROW\((wsrt_\w+),", source.read()))
names = set(growing())
check("every growing struct of the core is tried at other sizes",
      [f"{name} has no row" for name in sorted(names - rows - HANDED_OUT)])
check("every row names a growing struct",
      [f"{name} does not grow" for name in sorted((rows | HANDED_OUT) - names)])
plan()
