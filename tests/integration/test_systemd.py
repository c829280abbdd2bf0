"""The tool under a service manager: what it tells, and the sockets it is given."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from toolcase import CLEAN_ENV, WSRT, Serve, cases_of, equal, expect, main, wsrt

UNITS = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "systemd"
PATIENCE = 20


class Manager:
    """A socket that is told."""

    def __init__(self, abstract=False):
        self.folder = tempfile.TemporaryDirectory()
        name = f"wsrt-test-{os.getpid()}-{id(self)}"
        path = "\0" + name if abstract else str(pathlib.Path(self.folder.name, "notify"))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(PATIENCE)
        self.env = {"NOTIFY_SOCKET": "@" + name if abstract else path}

    def told(self):
        """The next datagram, as a dictionary."""
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))

    def told_of(self, name):
        """The next one with that name in it."""
        while True:
            told = self.told()
            if name in told:
                return told

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.socket.close()
        self.folder.cleanup()


def ready_comes_with_the_ready_line_and_stopping_with_the_signal():
    for abstract in (False, True):
        with Manager(abstract) as manager, Serve("--app", "echo", env=manager.env) as server:
            equal(manager.told(), {"READY": "1", "STATUS": "serving"})
            equal(server.end(), 0)
            equal(manager.told()["STOPPING"], "1")


def a_reload_is_told_with_its_time_and_its_end():
    with Manager() as manager, Serve("--app", "echo", env=manager.env) as server:
        manager.told()
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        server.process.send_signal(signal.SIGHUP)
        told = manager.told()
        equal(told["RELOADING"], "1")
        expect(before <= int(told["MONOTONIC_USEC"]) / 1e6 <= before + PATIENCE, told)
        equal(manager.told(), {"READY": "1"})


def the_watchdog_hears_of_loops_that_turn_and_of_no_others():
    with Manager() as manager:
        env = {**manager.env, "WATCHDOG_USEC": "400000"}
        with Serve("--app", "echo", "--loops", "2", env=env) as server:
            for _ in range(3):
                equal(manager.told_of("WATCHDOG")["STATUS"], "serving, 0 connections")
            server.process.send_signal(signal.SIGSTOP)
            manager.socket.settimeout(1)
            with contextlib.suppress(TimeoutError):
                for _ in range(20):
                    manager.told()
                expect(False, "a stopped server says that it lives")
            server.process.send_signal(signal.SIGCONT)
            manager.socket.settimeout(PATIENCE)
            manager.told_of("WATCHDOG")


def a_manager_that_does_not_listen_holds_nobody_up():
    with Manager() as manager:
        env = {**manager.env, "WATCHDOG_USEC": "400000"}
        with Serve("--app", "echo", env=env) as server:
            manager.told_of("WATCHDOG")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
                other.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        other.sendto(b"x=y", manager.env["NOTIFY_SOCKET"])
            end = time.monotonic() + 1
            while time.monotonic() < end:  # in which the server has its pulses
                done = wsrt("connect", "--send", "x", "--expect", "1", server.url, timeout=PATIENCE)
                equal(done.stdout, "x\n", done.stderr)
            equal(server.end(timeout=PATIENCE), 0)


def another_process_s_watchdog_is_not_fed():
    with Manager() as manager:
        env = {**manager.env, "WATCHDOG_USEC": "400000", "WATCHDOG_PID": "1"}
        with Serve("--app", "echo", env=env) as server:
            equal(manager.told(), {"READY": "1", "STATUS": "serving"})
            server.process.send_signal(signal.SIGTERM)
            expect("STOPPING" in manager.told(), "fed")


# ---- sockets ----

@contextlib.contextmanager
def _listening(*families):
    with contextlib.ExitStack() as stack:
        sockets = []
        for family in families:
            one = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            if family == socket.AF_UNIX:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                one.bind(folder + "/socket")
            else:
                one.bind(("127.0.0.1", 0))
            one.listen()
            sockets.append(one)
        yield sockets


@contextlib.contextmanager
def _activated(sockets, *args, names=None, pid="$$"):
    """`wsrt serve` with the sockets as 3, 4, ... The shell becomes the server, so it knows its pid."""
    variables = f"LISTEN_PID={pid} LISTEN_FDS={len(sockets)}"
    variables += f" LISTEN_FDNAMES={names}" if names else ""
    moved = " ".join(f"{3 + i}<&{100 + i} {100 + i}<&-" for i in range(len(sockets)))

    def arrange():
        for i, one in enumerate(sockets):
            os.dup2(one.fileno(), 100 + i)
    command = f"exec {moved}; {variables} exec {WSRT} serve --app echo {' '.join(args)}"
    with subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=CLEAN_ENV, close_fds=False, preexec_fn=arrange) as process:
        try:
            yield process
        finally:
            process.kill()


def _urls(process):
    line = process.stdout.readline()
    expect(line, process.stderr.read() if not line else "")
    return re.findall(r'"(wss?[^"]*)"', line)[1:], re.search(r'"management":("[^"]*"|null)', line)[1]


def a_socket_of_the_managers_stands_in_place_of_listen():
    with _listening(socket.AF_INET) as sockets, _activated(sockets) as process:
        port = sockets[0].getsockname()[1]
        equal(_urls(process)[0], [f"ws://127.0.0.1:{port}/"])
        done = wsrt("connect", "--send", "hi", "--expect", "1", f"ws://127.0.0.1:{port}/")
        equal(done.stdout, "hi\n")


def several_loops_share_the_managers_socket():
    with _listening(socket.AF_INET) as sockets, _activated(sockets, "--loops", "3") as process:
        url = _urls(process)[0][0]
        for _ in range(8):
            equal(wsrt("connect", "--send", "hi", "--expect", "1", url).stdout, "hi\n")


def the_socket_named_admin_is_for_those_who_manage():
    with _listening(socket.AF_INET, socket.AF_INET) as sockets:
        public, admin = (one.getsockname()[1] for one in sockets)
        with _activated(sockets, names="public:admin") as process:
            urls, management = _urls(process)
            equal(urls, [f"ws://127.0.0.1:{public}/"])
            equal(management, f'"http://127.0.0.1:{admin}"')


def the_file_of_a_managers_unix_socket_stays():
    with _listening(socket.AF_UNIX) as sockets, _activated(sockets) as process:
        path = sockets[0].getsockname()
        _urls(process)
        process.send_signal(signal.SIGTERM)
        equal(process.wait(PATIENCE), 0)
        expect(os.path.exists(path), "removed")


def sockets_for_another_process_are_left_alone():
    with _listening(socket.AF_INET) as sockets, _activated(sockets, "--listen", "127.0.0.1:0",
                                                           pid="1") as process:
        port = sockets[0].getsockname()[1]
        expect(_urls(process)[0] != [f"ws://127.0.0.1:{port}/"], "taken")


def what_is_no_listening_socket_is_refused():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as idle, _activated([idle]) as process:
        equal(process.wait(PATIENCE), 78)


def systemd_starts_it_by_a_connection():
    activator = shutil.which("systemd-socket-activate")
    expect(activator is not None, "no systemd-socket-activate: scripts/deps test")
    with _listening(socket.AF_INET) as sockets:
        port = sockets[0].getsockname()[1]
    with subprocess.Popen([activator, "-l", f"127.0.0.1:{port}", WSRT, "serve", "--app", "echo"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=CLEAN_ENV) as process:
        try:
            url = f"ws://127.0.0.1:{port}/"
            for _ in range(100):
                done = wsrt("connect", "--send", "hi", "--expect", "1", url)
                if done.returncode == 0:
                    break
                time.sleep(0.05)
            equal(done.stdout, "hi\n", done.stderr)
        finally:
            process.kill()


# ---- units ----

def the_units_are_sound_and_the_service_is_confined():
    analyze = shutil.which("systemd-analyze")
    expect(analyze is not None, "no systemd-analyze: scripts/deps test")
    with tempfile.TemporaryDirectory() as folder:
        for unit in UNITS.iterdir():
            text = unit.read_text().replace("/usr/bin/wsrt", WSRT).replace("man:wsrt(1) man:wsrt-config(5)",
                                                                           "file:/dev/null")
            pathlib.Path(folder, unit.name).write_text(text)
        service = str(pathlib.Path(folder, "wsrt.service"))
        done = subprocess.run([analyze, "security", "--offline=true", "--threshold=20", service],
                              capture_output=True, text=True, timeout=60, check=False)
        equal(done.returncode, 0, done.stdout[-2000:] + done.stderr)
        done = subprocess.run([analyze, "verify", service, str(pathlib.Path(folder, "wsrt.socket"))],
                              capture_output=True, text=True, timeout=60, check=False)
        complaints = [line for line in done.stderr.splitlines() if "wsrt" in line]
        equal(complaints, [])


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
