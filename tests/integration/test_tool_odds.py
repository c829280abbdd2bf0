"""The wsrt tool where its streams fail, where servers misbehave, and what it tells of that."""
import base64
import contextlib
import hashlib
import json
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

from toolcase import CLEAN_ENV, WSRT, Serve, cases_of, equal, expect, main, wsrt

OK, UNMET, USAGE, UNAVAILABLE, INTERNAL, CONFIG = 0, 1, 2, 69, 70, 78


def _by_shell(redirection, *args):
    """The tool as a shell starts it, with a redirection such as `>&-`."""
    return subprocess.run(["sh", "-c", f'exec "$@" {redirection}', "sh", WSRT, *args], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env=CLEAN_ENV,
                          check=False)


# ---- a server that does what it is told ----

def _message_of(peer):
    """The next short text of a client; None at its end."""
    head = peer.read(2)
    if len(head) < 2 or head[0] & 15 == 8:
        return None
    size = head[1] & 127
    if size == 126:
        size = int.from_bytes(peer.read(2), "big")
    key = peer.read(4)
    return bytes(b ^ key[i % 4] for i, b in enumerate(peer.read(size)))


@contextlib.contextmanager
def _server(talk):
    """Its URL; `talk(connection, messages)` is called for each client that was let in."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve(connection):
        with connection, connection.makefile("rb") as peer:
            head = b"".join(iter(peer.readline, b"\r\n")).decode()
            key = re.search("Sec-WebSocket-Key: (.*)\r", head).group(1)
            digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            connection.sendall(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n")
            with contextlib.suppress(OSError):
                talk(connection, iter(lambda: _message_of(peer), None))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _echo(connection, message):
    connection.sendall(bytes([0x81, len(message)]) + message)


# ---- streams that fail ----

def what_cannot_be_written_to_stdout_is_no_success():
    with Serve("--app", "echo") as server:
        for where in (">/dev/full", ">&-"):
            for args in (("--help",), ("help",), ("serve", "--help"), ("version",),
                         ("version", "--format", "json"), ("config", "show"), ("config", "check"),
                         ("export", "grafana"), ("export", "config-schema"),
                         ("validate", "--builtin", "message", "--print"),
                         ("connect", "--send", "x", "--expect", "1", server.url),
                         ("bench", "--rate", "50", "--duration", "100ms", server.url)):
                done = _by_shell(where, *args)
                equal((done.returncode, done.stdout), (INTERNAL, ""), f"{args} {where}")
                expect("cannot write to stdout" in done.stderr, args, done.stderr)
        equal(server.end(), OK)


def connect_ends_once_its_messages_cannot_be_written():
    def flood(connection, _):
        while True:
            _echo(connection, b"news")
            time.sleep(0.01)

    with _server(flood) as url:
        done = _by_shell(">/dev/full", "connect", "--send", "x", "--linger", "1h", url)
        equal(done.returncode, INTERNAL, done.stderr)


def a_stream_that_is_not_open_is_no_place_for_a_socket():
    heard = []

    def listen(connection, messages):
        _echo(connection, b"printed")
        heard.extend(messages)

    for where, status in (("<&-", USAGE), (">&-", INTERNAL), ("2>&-", OK)):
        with _server(listen) as url:
            args = () if where == "<&-" else ("--send", "sent")
            done = _by_shell(where, "connect", *args, "--linger", "300ms", url)
            equal(done.returncode, status, f"{where} {done.stderr}")
    equal(heard, [b"sent", b"sent"])


def a_stdin_that_cannot_be_read_is_told():
    with Serve("--app", "echo") as server:
        done = _by_shell("</", "connect", server.url)
        equal((done.returncode, done.stdout), (USAGE, ""))
        expect("cannot read 'stdin': Is a directory" in done.stderr, done.stderr)


def json_is_json_whatever_bytes_a_path_has():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/\udcff"
        shown = json.loads(wsrt("config", "show", "--store", f"sqlite:{path}").stdout)
        equal(shown["store"]["value"], f"sqlite:{folder}/\ufffd")
        told = json.loads(wsrt("doctor", "--format", "json", "--store", f"sqlite:{path}/x").stdout)
        expect(any("\ufffd" in check["text"] for check in told["checks"]), told)
        with Serve("--app", "echo", listen=f"unix:{path}") as server:
            equal(server.url, f"ws+unix:{folder}/\ufffd:/")
            equal(server.end(), OK)


def a_secret_given_as_an_option_is_not_repeated():
    for name, words in (("management-token", "set WSRT_MANAGEMENT_TOKEN or"), ("nothing", "--help")):
        done = wsrt("serve", f"--{name}=s3cret")
        equal(done.returncode, USAGE)
        expect("s3cret" not in done.stderr and f"--{name}" in done.stderr, done.stderr)
        expect(words in done.stderr, done.stderr)


def a_name_that_nobody_knows_is_called_so():
    done = wsrt("connect", "ws://nobody.invalid/")
    equal(done.returncode, UNAVAILABLE)
    expect("route to host" not in done.stderr, done.stderr)


# ---- bench ----

def _bench(url, *args):
    done = wsrt("bench", "--format", "json", *args, url)
    return done.returncode, json.loads(done.stdout)


def replies_that_never_come_are_no_fast_ones():
    def say_nothing(_, messages):
        for _ in messages:
            pass

    with _server(say_nothing) as url:
        status, told = _bench(url, "--connections", "2", "--rate", "50", "--duration", "200ms",
                              "--fail-if", "p50<2s,p99>1999ms")
        equal((status, told["fail_if"]), (UNMET, ["p99>1999ms"]))
        equal((told["sent"], told["received"], told["errors"]["timeout"]), (10, 0, 10))


def a_reply_that_is_left_out_is_one_error_and_not_one_for_each_that_follows():
    def forget_one(connection, messages):
        for i, message in enumerate(messages):
            if i != 3:
                _echo(connection, message)

    with _server(forget_one) as url:
        _, told = _bench(url, "--connections", "1", "--rate", "100", "--duration", "200ms")
        equal(told["errors"], {"connect": 0, "closed": 0, "timeout": 1, "mismatch": 0})
        equal((told["sent"], told["received"]), (20, 19))
        expect(told["latency_us"]["max"] >= 2e6, told)


def throughput_is_over_the_time_that_the_replies_took():
    def hurry_late(connection, messages):
        first = [next(messages) for _ in range(50)]
        time.sleep(1)
        for message in first:
            _echo(connection, message)

    with _server(hurry_late) as url:
        _, told = _bench(url, "--connections", "1", "--rate", "500", "--duration", "100ms")
        equal((told["received"], told["duration_s"]), (50, 0.1))
        expect(told["throughput"] <= 50, told)


def what_could_not_be_sent_for_want_of_a_connection_was_not_sent_and_fails():
    def leave(connection, messages):
        for i, message in enumerate(messages):
            if i == 5:
                return
            _echo(connection, message)

    with _server(leave) as url:
        status, told = _bench(url, "--connections", "1", "--rate", "100", "--duration", "1s",
                              "--fail-if", "p99>1s")
        equal((status, told["received"], told["errors"]["closed"]), (UNMET, 5, 1))
        equal(told["errors"]["timeout"], 95)
        expect(told["sent"] < 90, told)


def a_generator_that_cannot_keep_up_reads_what_comes_meanwhile():
    def say_goodbye(connection, _):
        connection.recv(1 << 16)
        connection.sendall(b"\x88\x02\x03\xe8")
        while connection.recv(1 << 20):
            pass

    with _server(say_goodbye) as url:
        _, told = _bench(url, "--connections", "1", "--rate", "3000000", "--duration", "100ms")
        equal(told["errors"]["closed"], 1, told)
        expect(told["sent"] < 100000, told)


def connections_that_wait_for_the_others_answer_pings():
    pongs = []

    def ping(connection, messages):
        connection.sendall(b"\x89\x04ping")
        begun = time.monotonic()
        for message in messages:
            if message == b"ping":
                pongs.append(time.monotonic() - begun)
            else:
                _echo(connection, message)

    with _server(ping) as url:
        _bench(url, "--connections", "2", "--ramp", "3s", "--rate", "50", "--duration", "100ms")
        equal(len(pongs), 2)
        expect(pongs[0] < 1.3, pongs)


def conditions_that_are_too_long_to_be_told_leave_json_whole():
    with Serve("--app", "echo") as server:
        long = f"received>={'0' * 1100}"
        status, told = _bench(server.url, "--rate", "50", "--duration", "100ms", "--fail-if",
                              f"errors>=0,max>0us,{long}")
        equal((status, told["fail_if"]), (UNMET, ["errors>=0", "max>0us"]))


def a_condition_that_is_empty_is_refused():
    for done, status in ((wsrt("bench", "--fail-if", "", "ws://127.0.0.1:1/"), USAGE),
                         (wsrt("bench", "ws://127.0.0.1:1/", env={"WSRT_FAIL_IF": ""}), CONFIG)):
        equal(done.returncode, status, done.stderr)
        expect("is empty" in done.stderr, done.stderr)


def lines_that_the_server_did_not_wait_for_are_no_success():
    def leave(connection, messages):
        next(messages)
        connection.sendall(b"\x88\x02\x03\xe8")
        list(messages)

    with _server(leave) as url, tempfile.TemporaryFile("w+") as lines:
        lines.write("line\n" * (1 << 19))
        for at, status in ((0, UNMET), (len("line\n") * ((1 << 19) - 1), OK)):
            lines.seek(at)
            done = subprocess.run([WSRT, "connect", url], stdin=lines, capture_output=True,
                                  text=True, timeout=60, env=CLEAN_ENV, check=False)
            equal(done.returncode, status, done.stderr)


def many_short_lines_cost_no_more_where_they_come_at_once():
    def take(connection, _):
        while connection.recv(1 << 20):
            pass

    def cost(stdin, url):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([WSRT, "connect", "--linger", "100ms", url], stdin=stdin, env=CLEAN_ENV,
                       timeout=100, check=True)
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before.ru_utime

    with tempfile.TemporaryFile() as lines, _server(take) as url:
        lines.write(b"\n" * (1 << 19))
        lines.seek(0)
        with subprocess.Popen(["cat"], stdin=lines, stdout=subprocess.PIPE) as pipe:
            by_pipe = cost(pipe.stdout, url)
        lines.seek(0)
        at_once = cost(lines, url)
    expect(at_once < 3 * by_pipe, f"{at_once} s at once, {by_pipe} s by a pipe")


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
