#!/usr/bin/env python3
"""What is installed serves those who never saw the tree: plain cc and pkg-config, shared and static,
from a staged folder."""
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tree
from stage import environment, install
from tap import check, plan

PROGRAMS = {
    "wsrt": """
#include <wsrt/wsrt.h>
int main(void) { wsrt_runtime *rt = 0; int rc = wsrt_runtime_new(&rt, 0);
    wsrt_runtime_free(rt); return rc; }""",
    "wsrt-server": """
#include <wsrt/server.h>
int main(void) {
    wsrt_runtime *rt = 0; wsrt_server *s = 0; wsrt_span any = wsrt_span_cstr("127.0.0.1:0");
    wsrt_server_options o = {0}; int rc;
    o.struct_size = sizeof o; o.listen = &any; o.listen_count = 1;
    rc = wsrt_runtime_new(&rt, 0); if (rc == 0) rc = wsrt_server_new(&s, rt, &o);
    wsrt_server_free(s); wsrt_runtime_free(rt); return rc; }""",
    "wsrt-lambda": """
#include <wsrt/lambda.h>
static void take(const void *j, size_t n, void *u) { (void)j; (void)n; (void)u; }
int main(void) { wsrt_runtime *rt = 0; int rc = wsrt_runtime_new(&rt, 0);
    if (rc == 0) rc = wsrt_lambda_handle(rt, wsrt_span_cstr("nonsense"), 0, take, 0);
    wsrt_runtime_free(rt); return rc == WSRT_ERR_MALFORMED ? 0 : 1; }""",
    "wsrt-jwt": """
#include <wsrt/jwt.h>
int main(void) { wsrt_jwt *j = 0; wsrt_jwt_options o = {0}; int rc;
    o.struct_size = sizeof o; o.keys = wsrt_span_cstr("{\\"keys\\":[]}");
    rc = wsrt_jwt_new(&j, &o); wsrt_jwt_free(j); return rc == WSRT_ERR_REJECTED ? 0 : 1; }""",
    "wsrt-mock": """
#include <wsrt/mock.h>
int main(void) { return wsrt_version() == 1000 ? 0 : 1; }""",
    "wsrt-sqlite": """
#include <wsrt/sqlite.h>
int main(void) {
    wsrt_sqlite_store *s = 0; wsrt_sqlite_error why; wsrt_span path = wsrt_span_cstr("/nowhere/x");
    return wsrt_sqlite_store_new(&s, path, 0, &why) == WSRT_ERR_NOT_FOUND ? 0 : 1; }""",
    "wsrt-aws": """
#include <wsrt/aws.h>
int main(void) {
    wsrt_aws *a = 0; wsrt_aws_options o = {0}; int rc;
    o.struct_size = sizeof o; o.access_key = wsrt_span_cstr("half");
    rc = wsrt_aws_new(&a, &o); wsrt_aws_free(a); return rc == WSRT_ERR_INVALID ? 0 : 1; }""",
}


# Debian has no static form of what libcurl needs.
NEVER_STATIC = ("wsrt-aws",)


def shell(command, stage, **more):
    return subprocess.run(command, shell=True, env=environment(stage), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)


def consumer(stage, place, library, compiler, extra):
    source = os.path.join(place, library + (".cc" if compiler == "c++" else ".c"))
    open(source, "w", encoding="utf-8").write(PROGRAMS[library])
    program = os.path.join(place, "prog")
    flags = f"$(pkg-config {'--static ' if extra else ''}--cflags --libs {library})"
    done = shell(f"{compiler} -Wall -Werror {extra} {source} -o {program} {flags}", stage)
    if done.returncode != 0:
        return done.stdout.splitlines(), None
    done = shell(program, stage, timeout=20)
    if done.returncode != 0:
        return [f"exit {done.returncode}"] + done.stdout.splitlines(), None
    return [], program


def needed(program, library):
    wanted = {"libc.so.6", "libwsrt.so.0", f"lib{library}.so.0", "libstdc++.so.6", "libm.so.6",
              "libgcc_s.so.1"}
    found = set(re.findall(r"NEEDED.*\[(.*)\]", tree.run("readelf", "-d", program)))
    return sorted(f"needs {name}" for name in found - wanted)


def service(stage, place):
    """A service new to the tree: tests/consumers/leader.c, of 60 lines at most, and two clients."""
    source = os.path.join(tree.ROOT, "tests", "consumers", "leader.c")
    with open(source, encoding="utf-8") as text:
        if len(text.readlines()) > 60:
            return ["longer than 60 lines"]
    program = os.path.join(place, "leader")
    done = shell(f"cc -std=c11 -Wall -Wextra -Werror {source} -o {program} "
                 "$(pkg-config --cflags --libs wsrt-server)", stage)
    if done.returncode != 0:
        return done.stdout.splitlines()
    with subprocess.Popen([program], env=environment(stage), stdout=subprocess.PIPE,
                          text=True) as server:
        try:
            return asyncio.run(play("ws://" + server.stdout.readline().strip() + "/"))
        finally:
            server.terminate()


async def play(url):
    import websockets
    said = []

    async def hear(client):
        return json.loads(await asyncio.wait_for(client.recv(), 10))

    async def send(client, player, points):
        await client.send(json.dumps({"type": "score", "player": player, "points": points}))
        return await hear(client)

    async with websockets.connect(url) as ann, websockets.connect(url) as ben:
        said.append(await send(ann, "ann", 7) == {"type": "leader", "player": "ann", "points": 7})
        said.append((await hear(ben))["player"] == "ann")
        said.append(await send(ben, "ben", 5) == {"type": "beaten"})
        refused = await send(ben, "Ben!", 9)
        said.append(refused.get("error", {}).get("type") == "VALIDATION_ERROR")
    return [f"answer {i} is another" for i, as_wanted in enumerate(said, 1) if not as_wanted]


def binding(stage):
    """The worked binding in Python, on the installed library and declarations."""
    library = os.path.join(environment(stage)["LD_LIBRARY_PATH"], "libwsrt.so.0")
    header = os.path.join(stage, "usr", "share", "wsrt", "ffi", "wsrt.ffi.h")
    done = subprocess.run(
        [sys.executable, os.path.join(tree.ROOT, "tests", "bindings", "python", "exercise.py"),
         library, header], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = done.stdout.splitlines()
    good = done.returncode == 0 and sum(line.startswith("ok ") for line in lines) >= 12
    return [] if good else lines


def outside(stage):
    for place, _, files in os.walk(stage):
        for name in files:
            path = os.path.join(place, name)[len(stage):]
            if not re.match(r"/usr/(include/wsrt/|lib/|bin/wsrt$|share/(man|wsrt|doc/wsrt)/)", path):
                yield path


def traces(stage):
    for place, _, files in os.walk(stage):
        for name in files:
            path = os.path.join(place, name)
            if os.path.islink(path) or name.endswith(".a"):
                continue
            text = open(path, "rb").read()
            for folder in (tree.ROOT, tree.BUILD, stage):
                if folder.encode() in text:
                    yield f"{path[len(stage):]} names a build folder"


with tempfile.TemporaryDirectory() as stage:
    install(stage)
    check("nothing is installed outside its places", outside(stage))
    check("no installed file names a build folder", traces(stage))
    with tempfile.TemporaryDirectory() as place:
        for library in tree.LIBRARIES:
            for compiler in ("cc", "c++"):
                problems, program = consumer(stage, place, library, compiler, "")
                check(f"{library}: a program of {compiler} builds with pkg-config alone and runs",
                      problems + (needed(program, library) if program else []))
            if library in NEVER_STATIC:
                continue
            problems, _ = consumer(stage, place, library, "cc", "-static")
            check(f"{library}: a fully static program builds and runs", problems)
        if "wsrt-server" in tree.LIBRARIES:
            check("a new service of 60 lines builds and serves real clients", service(stage, place))
    check("a binding in Python works with what is installed", binding(stage))
plan()
