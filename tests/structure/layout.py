#!/usr/bin/env python3
"""Prints the layout of every public struct and the value of every enumerator, for one compiler.
Usage: layout.py COMPILER [RUNNER]; the committed output is abi/layout.ARCH.txt."""
import os
import subprocess
import sys
import tempfile

import tree
from pycparser import c_ast


def program(heads):
    rows, enums = [], []
    for d in tree.parsed(heads).ext:
        if not isinstance(d, c_ast.Typedef):
            continue
        inner = d.type.type if isinstance(d.type, c_ast.TypeDecl) else None
        if isinstance(inner, c_ast.Struct) and inner.decls:
            rows.append(f'printf("struct {d.name} size %zu\\n", sizeof({d.name}));')
            for member in inner.decls:
                rows.append(
                    f'printf("  {member.name} at %zu size %zu\\n", '
                    f"offsetof({d.name}, {member.name}), sizeof((({d.name} *)0)->{member.name}));")
        elif isinstance(inner, c_ast.Enum) and inner.values:
            rows.append(f'printf("enum {d.name} size %zu\\n", sizeof({d.name}));')
            for e in inner.values.enumerators:
                rows.append(f'printf("  {e.name} %d\\n", (int){e.name});')
    return ("#include <stdio.h>\n" + "".join(f"#include <wsrt/{h}.h>\n" for h in heads)
            + "int main(void)\n{\n" + "\n".join(rows + enums) + "\nreturn 0;\n}\n")


def layout(compiler, runner=()):
    heads = sorted(tree.CORE + tree.ADAPTERS)
    with tempfile.TemporaryDirectory() as place:
        out = os.path.join(place, "layout")
        subprocess.run([compiler, "-static", "-I" + os.path.join(tree.ROOT, "include"), "-xc", "-",
                        "-o", out], input=program(heads), text=True, check=True)
        return tree.run(*runner, out)


if __name__ == "__main__":
    sys.stdout.write(layout(sys.argv[1], sys.argv[2:]))
