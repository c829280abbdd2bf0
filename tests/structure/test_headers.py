#!/usr/bin/env python3
"""The headers are a contract for C, C++ and parsers."""
import glob
import os
import re
import subprocess
import tempfile

import tree
from tap import check, plan

HEADERS = sorted(os.path.basename(p)[:-2]
                 for p in glob.glob(os.path.join(tree.ROOT, "include", "wsrt", "*.h")))
C = ["c99", "c11", "c17", "c2x"]
CPP = ["c++98", "c++11", "c++14", "c++17", "c++20"]


def compiles(compiler, language, standard, *flags):
    for name in HEADERS:
        text = f"#include <wsrt/{name}.h>\n#include <wsrt/{name}.h>\n"
        done = subprocess.run(
            [compiler, "-x", language, "-std=" + standard, "-pedantic", "-Wall", "-Wextra",
             "-Werror", *flags, "-I" + os.path.join(tree.ROOT, "include"), "-fsyntax-only", "-"],
            input=text, text=True, stderr=subprocess.PIPE)
        if done.returncode != 0:
            yield f"{name}.h: " + done.stderr.splitlines()[0]


for standard in C:
    check(f"each header compiles alone and twice as {standard}", compiles("gcc", "c", standard))
for standard in CPP:
    check(f"each header compiles alone and twice as {standard}",
          compiles("g++", "c++", standard, "-Wno-long-long"))
check("no public struct has padding", compiles("gcc", "c", "c11", "-Wpadded"))

TEXT = {n: open(tree.header(n), encoding="utf-8").read() for n in HEADERS}
BARE = {n: re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), t, flags=re.S)
        for n, t in TEXT.items()}
BANNED = (r"\bFILE\b|\.\.\.|\btime_t\b|\btimespec\b|\boff_t\b|\blong\b|\bwchar_t\b|\bbool\b|"
          r"\bfloat\b|\bunion\b|\b_Atomic\b|\binline\b|_Static_assert|__int128|\bextern\s+\w+\s+\w+;"
          r"|\[\s*\]\s*;|:\s*\d+\s*;")
check("no header uses a type or form that some binding cannot read", (
    f"{n}.h:{i}: {line.strip()}" for n in HEADERS
    for i, line in enumerate(BARE[n].splitlines(), 1) if re.search(BANNED, line)))
check("the only macros with values are the version's", (
    f"{n}.h: {m}" for n in HEADERS
    for m in re.findall(r"^#define\s+(\w+)[ \t]+\S", BARE[n], re.M)
    if not re.fullmatch(r"WSRT_VERSION_(MAJOR|MINOR|PATCH)|WSRT_API", m)))

everything = [n for n in HEADERS if n != "wsrt"]
ast = tree.parsed(everything)
check("pycparser reads the declarations", [] if ast.ext else ["nothing parsed"])


def cffi_problems():
    from cffi import FFI
    try:
        FFI().cdef(tree.preprocessed(everything))
    except Exception as error:  # noqa: BLE001: whatever cffi objects to is the finding
        yield str(error).splitlines()[0]


check("cffi reads the declarations unmodified", cffi_problems())


def undocumented():
    for name in HEADERS:
        for m in re.finditer(r"(?:^|\n)(.*\n)?WSRT_API [^;]*?(wsrt_\w+)\(", TEXT[name]):
            before, line_end = TEXT[name][:m.end()], TEXT[name][m.end():].split("\n", 1)[0]
            start = before.rfind("WSRT_API")
            lead = TEXT[name][:start].rstrip()
            if not lead.endswith("*/") and "/**<" not in TEXT[name][start:].split("\n\n")[0]:
                yield f"{name}.h: {m.group(2)} has no comment {line_end[:0]}"


check("every public function has a comment", undocumented())


def growing():
    """Names of the structs that begin with struct_size."""
    from pycparser import c_ast
    for d in ast.ext:
        t = getattr(d, "type", None)
        if isinstance(d, c_ast.Typedef) and isinstance(t.type, c_ast.Struct) and t.type.decls:
            if t.type.decls[0].name == "struct_size":
                yield d.name, t.type.decls[-1].name


def tail_padding():
    program = "#include <stdio.h>\n" + "".join(
        f"#include <wsrt/{n}.h>\n" for n in everything) + "int main(void){\n"
    for name, last in growing():
        program += (f"if(sizeof({name})!=offsetof({name},{last})+sizeof((({name}*)0)->{last}))"
                    f"puts(\"{name}\");\n")
    program += "return 0;}\n"
    with tempfile.TemporaryDirectory() as place:
        out = os.path.join(place, "a")
        subprocess.run(["cc", "-I" + os.path.join(tree.ROOT, "include"), "-xc", "-", "-o", out],
                       input=program, text=True, check=True)
        return tree.lines(out)


check("no growing struct hides room behind its last member", tail_padding())
plan()
