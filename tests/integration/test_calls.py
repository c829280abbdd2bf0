"""System calls that fail under `wsrt serve` with its SQLite store: strace fails the Nth call of a kind.

The usual run takes some points, WSRT_CALL_POINTS=N at least N. A point counts when strace says that it
failed a call. At each: a start that fails says so in one line and by its status; else what was
acknowledged is stored, the server goes on without a restart, holds no descriptor too many, and ends in
order."""
import collections
import concurrent.futures
import contextlib
import os
import pathlib
import re
import sqlite3
import sys
import tempfile
import time
import urllib.error
import urllib.request

import wire
from toolcase import Failed, Serve, cases_of, equal, expect, main

WANTED = int(os.environ.get("WSRT_CALL_POINTS", "0"))
USUAL = 30
PATIENCE = 60  # seconds; each thread's Nth call fails, so a fault may come several times
SERVE = ("--app", "chat", "--dev-token", "sesame=ali", "--no-rate-limit", "--ping-interval", "1s",
         "--ping-timeout", "1s")
BREAKERS = b'{"defaults":{"recoveryTimeout":100},"services":{"dynamodb":{"recoveryTimeout":100}}}'
START_FAILED = {69, 70, 73, 77, 78}
CALLS = {
    "accept4": "EMFILE ENFILE ENOBUFS ENOMEM ECONNABORTED EINTR",
    "recvfrom": "ECONNRESET EINTR ETIMEDOUT ENOMEM",
    "sendto": "EPIPE ECONNRESET EINTR EAGAIN ENOBUFS",
    "epoll_wait": "EINTR",
    "epoll_ctl": "ENOMEM ENOSPC",
    "epoll_create1": "EMFILE ENOMEM",
    "eventfd2": "EMFILE ENFILE",
    "socket": "EMFILE EACCES",
    "bind": "EADDRINUSE EACCES",
    "listen": "EADDRINUSE",
    "getsockname": "ENOBUFS",
    "setsockopt": "ENOMEM",
    "shutdown": "ENOTCONN",
    "close": "EIO EINTR",
    "read": "EINTR EIO",
    "write": "EINTR EAGAIN",
    "clone3": "EAGAIN",
    "openat": "EMFILE EACCES EIO",
    "pwrite64": "EIO ENOSPC EDQUOT",
    "fdatasync": "EIO ENOSPC",
    "pread64": "EIO",
    "ftruncate": "EIO ENOSPC",
    "unlink": "EIO EACCES",
}

Point = collections.namedtuple("Point", "call error number")


# ---- a conversation ----

def _talk(port, acknowledged, name):
    """Three messages on a connection of their own; False = some of it failed, cleanly."""
    try:
        with wire.Client(port, "/?token=sesame") as client:
            fine = True
            for i in range(3):
                text = f"{name}-{i}"
                said = wire.chat(client, text, "s")
                fine = fine and said
                acknowledged += [text] if said else []
            client.close()
            return fine
    except wire.Gone:
        return False


def _recover_soon(port):
    """Breakers wait a moment instead of half a minute."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/breakers", BREAKERS, method="PUT")
    with contextlib.suppress(urllib.error.URLError, OSError):
        urllib.request.urlopen(request, timeout=10).close()


def _is_well(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _descriptors(server):
    """Of a server that nobody is connected to: what it closes late is waited for."""
    folder, count, deadline = f"/proc/{server.ready['pid']}/fd", None, time.monotonic() + 10
    while time.monotonic() < deadline:
        links = []
        for fd in os.listdir(folder):
            with contextlib.suppress(OSError):
                links.append(os.readlink(os.path.join(folder, fd)))
        count = sum(not link.startswith("socket:") for link in links)
        sockets = len(links) - count
        if sockets <= 1:  # the listener
            break
        time.sleep(0.02)
    return count, sockets


# ---- the calls that there are ----

def _traced(folder, trace, *strace):
    return Serve(*SERVE, "--store", f"sqlite:{folder}/store.db",
                 under=("strace", "-f", "-qq", "-o", trace, *strace, "--"))


def _counts():
    """How often a thread makes each call, at most, and how many of them are the loader's."""
    with tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "trace")
        with _traced(folder, trace, "-e", "trace=munmap," + ",".join(CALLS)) as server:
            expect(_talk(server.port, [], "x"), "a conversation without faults fails")
            expect(_is_well(server.port), "not well without faults")
            equal(server.end(), 0)
        most, loader = collections.Counter(), collections.Counter()
        threads, first, loaded = collections.Counter(), None, False
        for line in pathlib.Path(trace).read_text(errors="replace").splitlines():
            found = re.match(r"(\d+) +(\w+)\(", line)
            if found is None:
                continue
            thread, call = found.groups()
            first = first or thread
            loaded = loaded or call == "munmap"
            threads[thread, call] += 1
            most[call] = max(most[call], threads[thread, call])
            if not loaded:
                loader[call] = threads[first, call]
        return most, loader


def _points():
    """Spread evenly over the calls that are ours; as many a call and error as it takes."""
    most, loader = _counts()
    rows = [(call, error) for call, errors in CALLS.items() for error in errors.split()]
    wanted = WANTED or USUAL
    every = {}
    for call, error in rows:
        numbers = list(range(loader[call] + 1, most[call] + 1))
        every[call, error] = numbers if WANTED else numbers[len(numbers) // 2:][:1]
    share = 1
    while sum(min(share, len(n)) for n in every.values()) < wanted * 1.2 and \
            share < max(map(len, every.values())):
        share += 1
    points = []
    for (call, error), numbers in every.items():
        count = min(share, len(numbers))
        points += [Point(call, error, numbers[len(numbers) * i // count]) for i in range(count)]
    return points if WANTED else points[::max(1, len(points) // USUAL)]


# ---- a point ----

def _judge_store(folder, acknowledged):
    with contextlib.closing(sqlite3.connect(os.path.join(folder, "store.db"))) as database:
        equal(database.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        stored = {row[0] for row in database.execute("SELECT content FROM message")}
    equal([text for text in acknowledged if text not in stored], [], "acknowledged and lost")


def _judge_start(trouble):
    """A start that fails has a status and a reason."""
    status = int(re.search(r"serve ended with (-?\d+)", str(trouble)).group(1))
    expect(status in START_FAILED, "status", status, trouble)
    expect(len(str(trouble).split(": ", 1)[1].strip()) > 10, "no reason:", trouble)


def _last(server):
    """Words of its log."""
    return "".join(line for line in server.log if '"info"' not in line)[-600:]


def _recovers(server, acknowledged):
    """Two conversations in a row, sooner or later; the store may say that it wants a restart."""
    fine, number, deadline = 0, 0, time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        number += 1
        fine = fine + 1 if _talk(server.port, acknowledged, f"again{number}") else 0
        expect(server.process.poll() is None, "the server has ended:", _last(server))
        if fine == 2:
            return True
        if fine == 0:
            _recover_soon(server.port)
    return False


def _serve_through(server, folder, point):
    acknowledged = []
    _recover_soon(server.port)
    _talk(server.port, acknowledged, "first")
    _is_well(server.port)
    well = _recovers(server, acknowledged)
    refuses = any("store_failed" in line and "refused" in line for line in server.log)
    expect(well or refuses, "it does not recover:", _last(server))
    expect(_is_well(server.port), "it is not well")
    before, closes = _descriptors(server), point.call != "close"  # else strace keeps some open
    if closes:
        equal(before[1], 1, "sockets that nobody uses are open")
    if well and closes:
        _talk(server.port, acknowledged, "last")
        after = _descriptors(server)
        expect(after[0] <= before[0] and after[1] <= before[1], "descriptors", before, after)
    status = server.end()
    expect(status in (0, 1), "it ends with", status, _last(server))
    _judge_store(folder, acknowledged)


def _try(point):
    """1 = the call failed as asked and all was well; 0 = it did not come to that."""
    with tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "trace")
        inject = f"inject={point.call}:error={point.error}:when={point.number}"
        try:
            with _traced(folder, trace, "-e", f"trace={point.call}", "-e", inject) as server:
                _serve_through(server, folder, point)
        except Failed as trouble:
            if "serve ended with" not in str(trouble):
                raise
            _judge_start(trouble)
        return "(INJECTED)" in pathlib.Path(trace).read_text(errors="replace")


def any_system_call_may_fail_and_the_server_goes_on_or_says_why_not():
    points, problems, done = _points(), [], 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        tries = {pool.submit(_try, point): point for point in points}
        for attempt in concurrent.futures.as_completed(tries):
            try:
                done += attempt.result()
            except Exception as trouble:  # pylint: disable=broad-except
                problems.append(f"{tries[attempt]}: {trouble}")
    print(f"# failing system calls: {done} of {len(points)} points, {len(CALLS)} calls")
    equal(problems, [], "points that went wrong")
    expect(done >= (WANTED or USUAL * 2 // 3), "too few calls failed:", done)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
