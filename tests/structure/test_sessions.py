#!/usr/bin/env python3
"""The sessions shown in documents, typed into a shell that has an installed libwsrt and the programs that
the document shows. A line of output may leave its end (...) or its middle (...) out."""
import os
import queue
import re
import socket
import subprocess
import tempfile
import threading
import time

import tree
from stage import environment, install
from tap import check, plan

SESSION = re.compile(r"<!-- session: install -->\n```console\n(.*?)```", re.S)
PROGRAM = re.compile(r"<!-- program: (\S+) -->")
BACKGROUND = re.compile(r"(.*\S) *&", re.S)
PORT = "8080"
PATIENCE_S = 30


def documents():
    for name in ["README.md"] + sorted(os.listdir(os.path.join(tree.ROOT, "docs"))):
        path = name if name == "README.md" else os.path.join("docs", name)
        if path.endswith(".md"):
            with open(os.path.join(tree.ROOT, path), encoding="utf-8") as text:
                yield path, text.read()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def steps(session):
    """[(command, lines of output)]"""
    out = []
    for line in session.splitlines():
        if line.startswith("$ "):
            out.append((line[2:], []))
        elif out[-1][0].endswith("\\"):
            out[-1] = (out[-1][0] + "\n" + line, [])
        else:
            out[-1][1].append(line)
    return out


def matches(wanted, line):
    return re.fullmatch(".*".join(re.escape(part) for part in wanted.split("...")), line)


class Shell:
    """A shell that is typed into; what a command prints ends with a line of our own."""

    def __init__(self, folder, env):
        self.process = subprocess.Popen(["bash"], cwd=folder, env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, bufsize=1)
        self.lines = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def type(self, command):
        self.process.stdin.write(command + "\nprintf '\\n<done>\\n'\n")
        out = []
        while True:
            line = self.lines.get(timeout=PATIENCE_S)
            if line == "<done>":
                return out if out[-1] else out[:-1]
            out.append(line)

    def close(self):
        self.type("kill $(jobs -p) 2>/dev/null; wait")
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)


def wait_for(port):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", int(port))) == 0:
                return
        time.sleep(0.02)


def differences(document, text, stage):
    port = free_port()
    env = dict(environment(stage))
    env["WSRT_LISTEN"] = "127.0.0.1:" + port  # where the tool would take 8080
    env["PATH"] = os.path.join(stage, "usr", "bin") + ":" + env["PATH"]
    with tempfile.TemporaryDirectory() as folder:
        for path in PROGRAM.findall(text):
            with open(os.path.join(tree.ROOT, path), encoding="utf-8") as program:
                with open(os.path.join(folder, os.path.basename(path)), "w", encoding="utf-8") as copy:
                    copy.write(program.read())
        shell = Shell(folder, env)
        try:
            for session in SESSION.findall(text):
                for command, wanted in steps(session):
                    command = command.replace(PORT, port)
                    background = BACKGROUND.fullmatch(command)
                    if background: # whose log would stand between the lines of others
                        command = f"{background.group(1)} >background.log 2>&1 &"
                    said = shell.type(command)
                    if background:
                        wait_for(port)
                    if len(said) != len(wanted) or not all(map(matches, wanted, said)):
                        yield f"{document}: $ {command}"
                        yield from said
        except queue.Empty:
            yield f"{document}: no answer in {PATIENCE_S} s"
        finally:
            shell.close()


with tempfile.TemporaryDirectory() as stage:
    install(stage)
    seen = 0
    for document, text in documents():
        if SESSION.search(text):
            seen += 1
            check(f"the sessions of {document} go as shown", list(differences(document, text, stage)))
    check("there are sessions to type", [] if seen else ["none found"])
plan()
