#!/usr/bin/env python3
"""Nobody is there, and nothing wakes the server up: strace sees no call return for WSRT_IDLE_S seconds
(60 in the long lane, where this runs; the unit tests look at the loop's own deadline)."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from toolcase import Serve, cases_of, equal, main

SECONDS = int(os.environ.get("WSRT_IDLE_S", "60"))


def _returned_calls(pid, seconds):
    """Lines of system calls that came back while nobody did anything, of all threads."""
    with tempfile.NamedTemporaryFile("r") as out:
        tracer = subprocess.Popen(["strace", "-f", "-q", "-o", out.name, "-p", str(pid)],
                                  stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
        lines = out.read().splitlines()
    return [x for x in lines if not re.search(r"<(detached|unfinished) \.\.\.>?|resuming interrupted", x)]


def _quiet(*options, clients=0):
    server = Serve("--app", "echo", "--quiet", *options)
    try:
        crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(clients)]
        for one in crowd:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while one.recv(4096):
                pass
            one.close()
        time.sleep(3)  # what the visitors left is tidied up
        equal(_returned_calls(server.process.pid, SECONDS), [], "calls that returned")
    finally:
        server.end()


def an_idle_server_is_not_woken_up():
    _quiet()


def two_loops_with_workers_that_had_visitors_are_not_woken_up_either():
    _quiet("--loops", "2", "--workers", "2", clients=20)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
