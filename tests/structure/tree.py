"""What the structure tests know of the tree: its headers as a parser sees them, its libraries."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("WSRT_BUILD", os.path.join(ROOT, "build"))
CORE = ["auth", "base", "breaker", "error", "json", "limiter", "message", "monitor",
        "reconnect", "resume", "runtime", "schema", "sender", "store", "stream"]
ADAPTERS = ["server", "lambda", "mock", "jwt", "sqlite", "aws"]
LIBRARIES = {"wsrt": ("src", CORE)}
for _name in ADAPTERS:
    if os.path.exists(os.path.join(BUILD, "adapters", _name, f"libwsrt-{_name}.so")):
        LIBRARIES[f"wsrt-{_name}"] = (f"adapters/{_name}", [_name])

# What a parser must know beforehand: it has no standard headers.
PRELUDE = "".join(
    f"typedef {base} {name};\n"
    for name, base in {
        "int8_t": "signed char", "uint8_t": "unsigned char", "int16_t": "short",
        "uint16_t": "unsigned short", "int32_t": "int", "uint32_t": "unsigned int",
        "int64_t": "long", "uint64_t": "unsigned long", "size_t": "unsigned long",
        "uintptr_t": "unsigned long",
    }.items())


def run(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def lines(*command):
    return run(*command).splitlines()


def header(name):
    return os.path.join(ROOT, "include", "wsrt", name + ".h")


def preprocessed(names, root=ROOT):
    """The declarations of some headers and of what they include, as one text."""
    text = "".join(f"#include <wsrt/{name}.h>\n" for name in names
                   if os.path.exists(os.path.join(root, "include", "wsrt", name + ".h")))
    return run("cc", "-E", "-P", "-nostdinc", "-I" + os.path.join(root, "tools", "ffi"),
               "-I" + os.path.join(root, "include"), "-DWSRT_FFI", "-DWSRT_API=", "-xc", "-",
               input=text)


def parsed_text(text):
    from pycparser import c_parser
    return c_parser.CParser().parse(PRELUDE + text)


def parsed(names, root=ROOT):
    return parsed_text(preprocessed(names, root))


def declared_functions(names):
    """Names of the functions declared in these headers themselves."""
    from pycparser import c_ast
    every = {d.name for d in parsed(names).ext
             if isinstance(d, c_ast.Decl) and isinstance(d.type, c_ast.FuncDecl)}
    own = "".join(open(header(name), encoding="utf-8").read() for name in names)
    own = re.sub(r"/\*.*?\*/", " ", own, flags=re.S)
    return {name for name in every if re.search(rf"\b{name}\s*\(", own)}


def mapped(path):
    """{symbol: node} of a version script."""
    out, node = {}, None
    for line in open(os.path.join(ROOT, path), encoding="utf-8"):
        line = line.strip()
        if line.endswith("{"):
            node = line[:-1].strip()
        elif re.fullmatch(r"wsrt_\w+;", line):
            out[line[:-1]] = node
    return out


def shared(library):
    folder = LIBRARIES[library][0]
    return os.path.join(BUILD, folder, f"lib{library}.so")


def archive(library):
    return os.path.join(BUILD, LIBRARIES[library][0], f"lib{library}.a")


def exported(library):
    """{symbol: node} of a shared library."""
    out = {}
    for line in lines("nm", "-D", "--defined-only", "--with-symbol-versions", shared(library)):
        _, kind, name = line.split(None, 2)
        if kind == "A":
            continue
        symbol, _, node = name.partition("@@")
        out[symbol] = node
    return out


def sources(*folders, endings=(".c", ".h")):
    for folder in folders:
        for place, _, files in os.walk(os.path.join(ROOT, folder)):
            for name in sorted(files):
                if name.endswith(endings):
                    yield os.path.relpath(os.path.join(place, name), ROOT)
