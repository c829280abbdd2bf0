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

CONSUMERS = os.path.join(tree.ROOT, "tests", "consumers")
# Debian has no static form of what libcurl needs: there only our own libraries are static.
HALF_STATIC = ("wsrt-aws",)
PLACES = re.compile(r"/usr/(include/wsrt/|lib/|bin/wsrt$|share/(man|wsrt|doc/wsrt)/|"
                    r"share/(bash-completion/completions/wsrt|zsh/site-functions/_wsrt|"
                    r"fish/vendor_completions.d/wsrt.fish)$)")


def shell(command, stage, **more):
    return subprocess.run(command, shell=True, env=environment(stage), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)


def consumer(stage, place, library, compiler, how=""):
    """Builds and runs tests/consumers/LIBRARY.c; how: "" is shared, else -static or -Wl,-Bstatic."""
    source = os.path.join(CONSUMERS, library + ".c")
    language = "-xc++" if compiler == "c++" else "-xc"
    program = os.path.join(place, "prog")
    flags = f"$(pkg-config {'--static ' if how else ''}--cflags --libs {library})"
    if how == "-Wl,-Bstatic":
        flags = f"$(pkg-config --cflags {library}) " + half_static(stage, library)
        how = ""
    done = shell(f"{compiler} -Wall -Wextra -Werror {how} {language} {source} -xnone "
                 f"-o {program} {flags}", stage)
    if done.returncode != 0:
        return done.stdout.splitlines(), None
    done = shell(program, stage, timeout=20)
    if done.returncode != 0:
        return [f"exit {done.returncode}"] + done.stdout.splitlines(), None
    return [], program


def half_static(stage, library):
    """Our own libraries as archives, those of others shared."""
    def words(flags):
        return shell("pkg-config " + flags, stage).stdout.split()

    private = shell(f"pkg-config --print-requires-private {library}", stage).stdout
    others = [line.split()[0] for line in private.splitlines() if line.split()[0] != "wsrt"]
    theirs = set(words("--static --libs " + " ".join(others)))
    every = [w for w in words(f"--static --libs {library}") if w not in theirs]
    ours = [w for w in every if w.startswith(("-L", "-lwsrt"))]
    return " ".join(["-Wl,-Bstatic", *ours, "-Wl,-Bdynamic", *(w for w in every if w not in ours),
                     *words("--libs " + " ".join(others))])


def needed(program, library):
    wanted = {"libc.so.6", "libwsrt.so.0", f"lib{library}.so.0", "libstdc++.so.6", "libm.so.6",
              "libgcc_s.so.1"}
    found = set(re.findall(r"NEEDED.*\[(.*)\]", tree.run("readelf", "-d", program)))
    return sorted(f"needs {name}" for name in found - wanted)


def ours_needed(program):
    return [f"needs {name}" for name in
            re.findall(r"NEEDED.*\[(libwsrt.*)\]", tree.run("readelf", "-d", program))]


def service(stage, place):
    """A service new to the tree: tests/consumers/leader.c, of 60 lines at most, and two clients."""
    source = os.path.join(CONSUMERS, "leader.c")
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
            if not PLACES.match(path):
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
                problems, program = consumer(stage, place, library, compiler)
                check(f"{library}: a program of {compiler} builds with pkg-config alone and runs",
                      problems + (needed(program, library) if program else []))
            half = library in HALF_STATIC
            problems, program = consumer(stage, place, library, "cc",
                                         "-Wl,-Bstatic" if half else "-static")
            check(f"{library}: a program with the archive{'' if half else ', fully static,'} "
                  "builds and runs", problems + (ours_needed(program) if program else []))
        if "wsrt-server" in tree.LIBRARIES:
            check("a new service of 60 lines builds and serves real clients", service(stage, place))
    check("a binding in Python works with what is installed", binding(stage))
plan()
