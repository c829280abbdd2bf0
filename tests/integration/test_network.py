"""Real clients of `wsrt serve` behind a proxy that does to their connections what networks do.

Whatever the network does: what was acknowledged is stored, who has no part in it is served, the server
keeps no connection that is dead, and the same clients are well again when the network is.
WSRT_FAULT_ROUNDS says how many conversations a fault gets from each client."""
import asyncio
import concurrent.futures
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

import websockets
import websockets.exceptions

import wire
from toolcase import Serve, cases_of, equal, expect, main, wsrt

FAULTS = ["delay", "drip", "pieces", "cut", "reset", "half-open", "blackhole", "corrupt", "swap", "503"]
ROUNDS = int(os.environ.get("WSRT_FAULT_ROUNDS", "1"))
PATIENCE = 4  # seconds that a client waits for anything
SETTINGS = ("--app", "chat", "--dev-token", "sesame=ali", "--no-rate-limit", "--ping-interval", "1s",
            "--ping-timeout", "1s")


NONSENSE = (ValueError, LookupError, TypeError)  # what an answer may be to who reads it corrupted


class Proxy:
    """Sits before a port."""

    def __init__(self, port, seed):
        self.process = subprocess.Popen([os.environ["WSRT_FAULT_PROXY"], str(port), str(seed)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def set(self, fault):
        self.process.stdin.write(fault + "\n")
        self.process.stdin.flush()
        equal(self.process.stdout.readline(), "ok\n")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


# ---- clients: each says what it was told is stored ----

def _by_hand(port, name):
    """A plain socket."""
    stored = []
    with contextlib.suppress(wire.Gone, *NONSENSE), \
            wire.Client(port, "/?token=sesame", PATIENCE) as client:
        for i in range(3):
            if wire.chat(client, f"{name}-{i}", "s"):
                stored.append(f"{name}-{i}")
        client.close()
    return stored


async def _say_all(port, name, stored):
    async with websockets.connect(f"ws://127.0.0.1:{port}/?token=sesame", open_timeout=PATIENCE,
                                  close_timeout=1, ping_interval=None) as client:
        for i in range(3):
            text = f"{name}-{i}"
            await client.send(json.dumps({"type": "message", "data": {
                "action": "say", "message": text, "sessionId": "s"}}))
            while True:
                answer = json.loads(await asyncio.wait_for(client.recv(), PATIENCE))
                if answer["type"] == "error":
                    break
                if answer["type"] == "chat_response" and \
                        answer["data"]["content"] == f"You said: {text}":
                    stored.append(text)
                    break


def _by_websockets(port, name):
    """python3-websockets, which judges each frame and each text."""
    stored = []
    broken = (OSError, EOFError, asyncio.TimeoutError, *NONSENSE,
              websockets.exceptions.WebSocketException)
    with contextlib.suppress(*broken):
        asyncio.run(_say_all(port, name, stored))
    return stored


def _by_tool(port, name):
    """`wsrt connect`, which must end by itself, with a status that it documents."""
    message = {"type": "message", "data": {"action": "say", "message": f"{name}-0", "sessionId": "s"}}
    done = wsrt("connect", "--token", "sesame", "--send", json.dumps(message), "--expect", "3",
                "--timeout", str(PATIENCE), f"ws://127.0.0.1:{port}/")
    expect(done.returncode in (0, 1, 69, 77), "status", done.returncode, done.stderr)
    return [f"{name}-0"] if f"You said: {name}-0" in done.stdout else []


CLIENTS = {"a plain socket": _by_hand, "websockets": _by_websockets, "wsrt connect": _by_tool}


# ---- what must hold ----

def _sockets(server):
    folder, count = f"/proc/{server.ready['pid']}/fd", 0
    for fd in os.listdir(folder):
        with contextlib.suppress(OSError):
            count += os.readlink(os.path.join(folder, fd)).startswith("socket:")
    return count


def _nobody_stays(server):
    deadline = time.monotonic() + 30
    while _sockets(server) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    equal(_sockets(server), 1, "sockets, when all clients have gone")


def _judge_store(path, acknowledged):
    with contextlib.closing(sqlite3.connect(path)) as database:
        stored = {row[0] for row in database.execute("SELECT content FROM message")}
    equal([text for text in acknowledged if text not in stored], [], "acknowledged and lost")


def _go_through(fault):
    acknowledged, through = [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "chat.db")
        with Serve(*SETTINGS, "--store", "sqlite:" + path) as server, \
                Proxy(server.port, FAULTS.index(fault)) as proxy:
            proxy.set(fault)
            for number in range(ROUNDS):
                for name, client in CLIENTS.items():
                    told = client(proxy.port, f"{name}-{number}")
                    acknowledged += told
                    through += len(told)
                equal(len(_by_hand(server.port, f"beside-{number}")), 3, "who has no part in it")
            proxy.set("none")
            for name, client in CLIENTS.items():
                told = client(proxy.port, f"{name}-after")
                expect(told, name, "is not well again")
                acknowledged += told
            _nobody_stays(server)
            equal(server.end(), 0)
        _judge_store(path, acknowledged)
    print(f"# network: clients through {fault}, {ROUNDS * len(CLIENTS)} conversations, "
          f"{through} messages came through")


def clients_go_through_every_fault_of_a_network_and_nothing_acknowledged_is_lost():
    with concurrent.futures.ThreadPoolExecutor(len(FAULTS)) as pool:
        for _ in pool.map(_go_through, FAULTS):
            pass


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
