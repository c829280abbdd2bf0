#!/usr/bin/env python3
"""wsrt.ffi.h, unmodified, as those read it who make bindings of C: bindgen, SWIG, LuaJIT, and koffi by a
script made from it. Each knows every function, sees structs of the committed sizes where it lays them
out, and where it can call, calls."""
import json
import os
import re
import shutil
import subprocess
import tempfile

import released
import tree
from pycparser import c_ast
from tap import check, plan

HEADER = os.path.join(tree.BUILD, "tools", "ffi", "wsrt.ffi.h")
READERS = os.path.join(tree.ROOT, "tests", "bindings", "readers")
PEERS = os.environ.get("WSRT_PEERS", os.path.join(tree.ROOT, "tests", "peers"))
with open(HEADER, encoding="utf-8") as _text:
    TEXT = _text.read()
AST = tree.parsed_text(TEXT)
FUNCTIONS = {d.name: d.type for d in AST.ext
             if isinstance(d, c_ast.Decl) and isinstance(d.type, c_ast.FuncDecl)}
SIZES = {kind.split()[1]: size for kind, (size, _) in
         released.parse(released.read(tree.ROOT, "abi", "layout.x86_64.txt")).items()
         if kind.startswith("struct")}


def said(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def unknown(names, who):
    return [f"{who} does not know {name}" for name in sorted(set(FUNCTIONS) - set(names))]


def checked(name, tool, problems):
    """A missing reader is a failure: this lane brings its own."""
    check(name, problems() if shutil.which(tool) else [f"{tool} is missing: scripts/deps deep"])


def bindgen(place):
    source, out = os.path.join(place, "wsrt.h"), os.path.join(place, "wsrt.rs")
    with open(source, "w", encoding="utf-8") as text:
        text.write("#include <stddef.h>\n#include <stdint.h>\n" + TEXT)
    done = said(["bindgen", "--allowlist-function", "wsrt_.*", "--allowlist-type", "wsrt_.*",
                 "--allowlist-var", "WSRT_.*", source, "-o", out])
    if done.returncode != 0:
        return done.stdout.splitlines()
    with open(out, encoding="utf-8") as text:
        rust = text.read()
    sizes = dict(re.findall(r"size_of::<(wsrt_\w+)>\(\),\s*(\d+)usize", rust))
    return unknown(re.findall(r"pub fn (wsrt_\w+)", rust), "bindgen") + wrong_sizes(sizes)


def wrong_sizes(sizes):
    return [f"{name} has {sizes.get(name, 'no')} bytes, not {size}"
            for name, size in SIZES.items() if int(sizes.get(name, -1)) != size]


def swig(place):
    interface, out = os.path.join(place, "wsrt.i"), os.path.join(place, "wsrt.xml")
    with open(interface, "w", encoding="utf-8") as text:
        text.write('%module wsrt\n%include <stdint.i>\n%include "wsrt.ffi.h"\n')
    for language in (["-xml"], ["-python"]):
        done = said(["swig", *language, "-w314,451", "-Werror", "-I" + os.path.dirname(HEADER), "-o", out,
                     interface])
        if done.returncode != 0:
            return done.stdout.splitlines()
        if language == ["-xml"]:
            with open(out, encoding="utf-8") as text:
                names = re.findall(r'name="name" value="(wsrt_\w+)"', text.read())
    return unknown(names, "SWIG")


def told(output, version):
    """What an exercise has to say, besides sizes."""
    wanted = [f"version {version}", "constant -11", "callback dynamodb"]
    lines = [" ".join(line.split()) for line in output.splitlines()]
    return [f"'{line}' was not said" for line in wanted if line not in lines]


def sizes_told(output):
    return dict(re.findall(r"^size\s+(\w+)\s+(\d+)$", output, re.M))


def version():
    return re.search(r"version: '([\d.]+)'", released.read(tree.ROOT, "meson.build")).group(1)


def luajit():
    done = said(["luajit", os.path.join(READERS, "exercise.lua"), HEADER, tree.shared("wsrt")],
                input="".join(name + "\n" for name in SIZES))
    if done.returncode != 0:
        return done.stdout.splitlines()
    return told(done.stdout, version()) + wrong_sizes(sizes_told(done.stdout))


def spec(t):
    """A type as exercise.mjs takes it."""
    if isinstance(t, c_ast.TypeDecl):
        return " ".join(t.type.names) if isinstance(t.type, c_ast.IdentifierType) else t.type.name
    if isinstance(t, c_ast.ArrayDecl):
        return {"of": spec(t.type), "length": eval(c_value(t.dim), {"__builtins__": {}})}
    if isinstance(t, c_ast.PtrDecl) and isinstance(t.type, c_ast.FuncDecl):
        return signature(t.type)
    if isinstance(t, c_ast.PtrDecl):
        return "str" if is_result_text(t) else {"to": spec(t.type)}
    raise TypeError(type(t).__name__)


def is_result_text(t):
    return isinstance(t.type, c_ast.TypeDecl) and isinstance(t.type.type, c_ast.IdentifierType) \
        and t.type.type.names == ["char"] and "const" in t.type.quals


def c_value(node):
    from pycparser import c_generator
    return c_generator.CGenerator().visit(node)


def signature(f):
    parameters = [spec(p.type) for p in (f.args.params if f.args else [])]
    return {"result": spec(f.type), "parameters": [p for p in parameters if p != "void"]}


def types():
    for d in AST.ext:
        if not isinstance(d, c_ast.Typedef) or not d.name.startswith("wsrt_"):
            continue
        if isinstance(d.type, c_ast.PtrDecl):
            yield {"name": d.name, "callback": signature(d.type.type)}
        elif isinstance(d.type.type, c_ast.Enum):
            yield {"name": d.name}
        elif d.type.type.decls:
            yield {"name": d.name, "members": [(m.name, spec(m.type)) for m in d.type.type.decls]}
        else:
            yield {"name": d.name, "opaque": True}


def koffi(place):
    if not os.path.isdir(os.path.join(PEERS, "node_modules", "koffi")):
        return ["koffi is missing: scripts/deps deep"]
    path = os.path.join(place, "declarations.json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"types": list(types()),
                   "functions": [dict(signature(t), name=n) for n, t in FUNCTIONS.items()]}, out)
    done = said(["node", os.path.join(READERS, "exercise.mjs"), PEERS, path,
                 *(tree.shared(library) for library in tree.LIBRARIES)])
    if done.returncode != 0:
        return done.stdout.splitlines()
    count = [] if f"functions {len(FUNCTIONS)}" in done.stdout else ["not every function is declared"]
    return count + told(done.stdout, version()) + wrong_sizes(sizes_told(done.stdout))


with tempfile.TemporaryDirectory() as place:
    checked("bindgen knows every function, and every struct at its size", "bindgen",
            lambda: bindgen(place))
    checked("SWIG knows every function", "swig", lambda: swig(place))
    checked("LuaJIT takes the header, and calls and is called", "luajit", luajit)
    checked("koffi declares every function, and calls and is called", "node", lambda: koffi(place))
plan()
