"""Black-box tests of the wsrt tool: every command, flag, variable and exit status."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import sqlite3
import struct
import sys
import tempfile
import threading
import time

from toolcase import WSRT, Serve, cases_of, equal, expect, main, wsrt

OK, UNMET, USAGE, UNAVAILABLE, INTERNAL, NO_CREATE, REFUSED, CONFIG = 0, 1, 2, 69, 70, 73, 77, 78
COMMANDS = ("serve", "connect", "bench", "validate", "token", "export", "config", "doctor", "version")
DEAD_URL = "ws://127.0.0.1:1/"


def _complains(done, status, text):
    """One clear line on stderr, nothing on stdout."""
    equal(done.returncode, status, done.stderr)
    equal(done.stdout, "", "stdout")
    expect(done.stderr.startswith("wsrt: ") and done.stderr.count("\n") == 1, repr(done.stderr))
    expect(text in done.stderr, f"{text!r} is not in {done.stderr!r}")


class _Raw:
    """A WebSocket client that does only what it is told."""

    def __init__(self, port, path="/", **headers):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        fields = {"Host": f"127.0.0.1:{port}", "Upgrade": "websocket", "Connection": "Upgrade",
                  "Sec-WebSocket-Version": "13",
                  "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode()}
        fields.update({k.replace("_", "-"): v for k, v in headers.items()})
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def send(self, opcode, data=b""):
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(data)]) + bytes(4) + data)

    def frame(self):
        """(opcode, payload) of the next short frame, None at the end."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        return head[0] & 15, self.file.read(head[1] & 127)

    def close_frame(self):
        """(code, reason) of the close frame to come."""
        while True:
            frame = self.frame()
            expect(frame is not None, "the connection ended without a close frame")
            if frame[0] == 8:
                return struct.unpack(">H", frame[1][:2])[0], frame[1][2:].decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


def _http(port, path, method="GET", **headers):
    """Status and body of a plain request."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        fields = {"Host": f"127.0.0.1:{port}", "Connection": "close", **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        s.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
        answer = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


# ---- the tool as a whole ----

def no_command_is_a_usage_error_that_lists_the_commands():
    done = wsrt()
    equal(done.returncode, USAGE)
    for command in COMMANDS:
        expect(command in done.stderr, command)


def help_lists_every_command():
    for word in ("--help", "-h", "help"):
        done = wsrt(word)
        equal((done.returncode, done.stderr), (OK, ""))
        for command in COMMANDS:
            expect(f"\n  {command} " in done.stdout, command)


def help_of_each_command_names_the_variable_of_each_option():
    for command in COMMANDS:
        done = wsrt(command, "--help")
        equal((done.returncode, done.stderr), (OK, ""))
        rows = [row for row in done.stdout.splitlines() if re.match(r" +(-\w, )?--", row)]
        expect(len(rows) >= 2, done.stdout)
        for row in rows:
            name = re.search(r"--([a-z-]+)", row).group(1)
            variable = "WSRT_" + name.upper().replace("-", "_")
            expect(name == "help" or f"[{variable}" in row, row)
            expect(row.count("repeatable") < 2, row)


def help_wins_over_bad_values_behind_it():
    equal(wsrt("serve", "--help", "--listen", "nonsense").returncode, OK)


def an_unknown_command_is_a_usage_error():
    _complains(wsrt("servo"), USAGE, "unknown command 'servo'")


def an_unknown_option_is_a_usage_error_with_a_suggestion():
    _complains(wsrt("serve", "--lisen", "x"), USAGE, "did you mean --listen?")
    for command in COMMANDS:
        _complains(wsrt(command, "--surely-unknown"), USAGE, f"see wsrt {command} --help")
        _complains(wsrt(command, "-Z"), USAGE, "unknown option -Z")


def an_option_without_its_value_is_a_usage_error():
    _complains(wsrt("serve", "--listen"), USAGE, "--listen needs a value")
    _complains(wsrt("serve", "--aws=1"), USAGE, "--aws takes no value")


def control_characters_in_arguments_never_reach_the_terminal():
    _complains(wsrt("\x1b[31mred\nsecond"), USAGE, "'?[31mred?second'")


def bad_values_are_usage_errors_that_name_the_option():
    table = [
        ("serve", "--listen", "nowhere"), ("serve", "--listen", "127.0.0.1:65536"),
        ("serve", "--listen", "127.0.0.1:x"), ("serve", "--listen", "unix:"),
        ("serve", "--listen", "localhost:0"), ("serve", "--listen", "256.0.0.1:0"),
        ("serve", "--listen", "127.1:0"), ("serve", "--listen", "::1:0"),
        ("serve", "--listen", "[::1%lo]:0"), ("serve", "--listen", "[127.0.0.1]:0"),
        ("serve", "--admin", "localhost:0"), ("demo", "--listen", "localhost:0"),
        ("serve", "--app", "cha"), ("serve", "--app", ""), ("serve", "--stage", ""),
        ("serve", "--stage", "a/b"), ("serve", "--stage", "a%62"), ("serve", "--stage", "healthz"),
        ("serve", "--stage", "api"), ("serve", "--stage", "s" * 129),
        ("serve", "--host", "a\r\nb"), ("serve", "--host", "http://example.com"),
        ("serve", "--allow-origin", "example.com"), ("serve", "--host", ""),
        ("serve", "--store", "file"), ("serve", "--store", "sqlite:"),
        ("serve", "--dev-token", "token"), ("serve", "--dev-token", "=user"),
        ("serve", "--dev-token", "token="), ("serve", "--max-connections", "0"),
        ("serve", "--max-connections", "-1"), ("serve", "--loops", "0"),
        ("serve", "--loops", "65"), ("serve", "--workers", "257"), ("serve", "--workers", "some"),
        ("serve", "--max-per-ip", "many"), ("serve", "--trusted-proxy", "proxy.example"),
        ("serve", "--trusted-proxy", "10.0.0.0/"), ("serve", "--admin", "here"),
        ("serve", "--idle-timeout", "10 s"), ("serve", "--idle-timeout", "1w"),
        ("serve", "--lifetime", "99999999999999999999"), ("serve", "--ping-interval", "s"),
        ("serve", "--ping-timeout", "0"), ("serve", "--drain-timeout", "0"),
        ("serve", "--log-format", "xml"), ("serve", "--log-level", "loud"),
        ("connect", "--expect", "x"), ("connect", "--timeout", "0"), ("connect", "--linger", "x"),
        ("connect", "--header", "no colon"), ("connect", "--header", "A: b\r\nC: d"),
        ("connect", "--subprotocol", ""), ("connect", "--format", "text"),
        ("connect", "--token", ""), ("bench", "--connections", "0"), ("bench", "--rate", "0"),
        ("bench", "--duration", "0"), ("bench", "--payload", "23"), ("bench", "--payload", "1MB"),
        ("bench", "--mode", "x"), ("bench", "--ramp", "x"), ("bench", "--warmup", "x"),
        ("bench", "--format", "raw"), ("bench", "--fail-if", "p98>1ms"),
        ("bench", "--fail-if", "p99>20"), ("bench", "--fail-if", "errors>1ms"),
        ("bench", "--fail-if", "p99"), ("validate", "--max-issues", "0"),
        ("validate", "--max-issues", "1001"), ("validate", "--dialect", "draft-04"),
        ("validate", "--format", "xml"), ("validate", "--max-bytes", "0"),
        ("validate", "--max-depth", "5000"), ("version", "--format", "xml"),
    ]
    for command, option, value in table:
        operands = [DEAD_URL] if command in ("connect", "bench") else []
        _complains(wsrt(command, option, value, *operands), USAGE, option)


def operands_are_counted():
    _complains(wsrt("connect"), USAGE, "connect needs URL")
    _complains(wsrt("bench"), USAGE, "bench needs URL")
    _complains(wsrt("connect", DEAD_URL, "more"), USAGE, "unexpected 'more'")
    _complains(wsrt("serve", "extra"), USAGE, "unexpected 'extra'")
    _complains(wsrt("version", "extra"), USAGE, "unexpected 'extra'")


def a_bad_variable_is_a_configuration_error_that_names_it():
    for name, value in (("WSRT_IDLE_TIMEOUT", "soon"), ("WSRT_APP", "none"), ("WSRT_AWS", "maybe"),
                        ("WSRT_LISTEN", "nowhere"), ("WSRT_MAX_CONNECTIONS", "x")):
        _complains(wsrt("serve", env={name: value}), CONFIG, name)


def version_is_told_as_text_and_as_json():
    equal(wsrt("--version").stdout, wsrt("version").stdout)
    told = json.loads(wsrt("version", "--format", "json").stdout)
    equal(list(told), ["version", "abi", "features", "mbedtls"])
    equal(told["features"][0], "server")
    text = f"wsrt {told['version']} (ABI {told['abi']}, features: {' '.join(told['features'])}"
    text += f", mbedTLS {told['mbedtls']})\n" if told["mbedtls"] else ")\n"
    equal(wsrt("version").stdout, text)
    if told["mbedtls"]:
        expect(re.fullmatch(r"[23]\.\d+\.\d+", told["mbedtls"]), told)
    equal(wsrt("version", env={"WSRT_FORMAT": "json"}).stdout[:1], "{")


# ---- serve: start ----

def the_managements_secret_is_a_variable_or_a_file_and_never_a_flag():
    _complains(wsrt("serve", "--management-token", "x"), USAGE, "unknown option")
    _complains(wsrt("serve", "--management", "bearer"), CONFIG, "WSRT_MANAGEMENT_TOKEN")
    _complains(wsrt("serve", env={"WSRT_MANAGEMENT_TOKEN": "x"}), CONFIG, "--management bearer")
    _complains(wsrt("serve", "--management", "sigv4"), CONFIG, "WSRT_MANAGEMENT_SECRET_KEY")
    _complains(wsrt("serve", "--management", "sigv4", env={"WSRT_MANAGEMENT_ACCESS_KEY": "x"}),
               CONFIG, "WSRT_MANAGEMENT_SECRET_KEY")
    _complains(wsrt("serve", env={"WSRT_MANAGEMENT_SECRET_KEY": "x"}), CONFIG, "--management sigv4")
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "secret")
        pathlib.Path(path).write_text("s3cret\n", encoding="utf-8")
        for env in ({"WSRT_MANAGEMENT_TOKEN": "s3cret"}, {"WSRT_MANAGEMENT_TOKEN_FILE": path}):
            with Serve("--management", "bearer", env=env) as server:
                equal(_http(server.port, "/metrics")[0], 403)
                equal(_http(server.port, "/metrics", Authorization="Bearer s3cret")[0], 200)
                equal(server.end(), OK)
                expect("s3cret" not in "".join(server.log), server.log)


def management_that_is_off_has_no_address():
    with Serve("--management", "off") as server:
        equal(server.ready["management"], None)
        equal(_http(server.port, "/metrics")[0], 404)
    with Serve() as server:
        equal(server.ready["management"], server.ready["http"])


def _wait_for(server, event, count=1):
    until = time.monotonic() + 10
    while sum(event in line for line in server.log) < count:
        expect(time.monotonic() < until, f"no {event}", server.log)
        time.sleep(0.01)


def hup_reads_the_breakers_again_and_keeps_the_old_ones_when_they_are_bad():
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place, "breakers.json")
        path.write_text('{"defaults":{"failureThreshold":4}}', encoding="utf-8")
        with Serve("--breakers", str(path)) as server:
            server.process.send_signal(signal.SIGHUP)
            _wait_for(server, "reload.taken")
            path.write_text('{"defaults":{"failureThreshold":0}}', encoding="utf-8")
            server.process.send_signal(signal.SIGHUP)
            _wait_for(server, "reload.refused")
            expect(any("/defaults/failureThreshold" in line for line in server.log), server.log)
            equal(_http(server.port, "/healthz")[0], 200)
            equal(server.end(), OK)


def hup_reads_the_breakers_once_so_that_what_is_judged_is_what_is_taken():
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place, "breakers.json")
        path.write_text('{"defaults":{"failureThreshold":4}}', encoding="utf-8")
        with Serve("--breakers", str(path)) as server:
            path.unlink()
            os.mkfifo(path)
            server.process.send_signal(signal.SIGHUP)
            path.write_text('{"defaults":{"failureThreshold":3}}', encoding="utf-8")
            _wait_for(server, "reload.taken")
            equal(server.end(), OK)


def hup_without_a_file_ends_nothing():
    with Serve() as server:
        server.process.send_signal(signal.SIGHUP)
        _wait_for(server, "reload.taken")
        equal(server.end(), OK)


def bad_breakers_are_a_configuration_error_that_says_where():
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place, "breakers.json")
        _complains(wsrt("serve", "--breakers", str(path)), CONFIG, "--breakers: cannot read")
        path.write_text('{"defaults":{"x":1}}', encoding="utf-8")
        _complains(wsrt("serve", "--listen", "127.0.0.1:0", "--breakers", str(path)), CONFIG,
                   f"--breakers: {path}: byte 13, '/defaults/x'")


def serve_prints_exactly_one_ready_line_with_the_real_port():
    with Serve("--app", "echo") as server:
        ready = server.ready
        equal(list(ready), ["event", "url", "pid", "http", "management", "urls", "app", "aws",
                            "version"])
        equal((ready["event"], ready["pid"]), ("listening", server.process.pid))
        equal(ready["url"], f"ws://127.0.0.1:{server.port}/")
        equal(ready["http"], f"http://127.0.0.1:{server.port}")
        equal(ready["urls"], [ready["url"]])
        equal((ready["app"], ready["aws"]), ("echo", False))
        expect(server.port > 0)
        equal(_http(server.port, "/healthz")[0], 200)
        equal(server.end(), OK)
        equal(server.rest, "", "more on stdout")


def serve_listens_on_every_address_it_is_given():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/wsrt.sock"
        with Serve("--listen", f"unix:{path}", "--app", "echo") as server:
            equal(server.ready["urls"], [server.url, f"ws+unix:{path}:/"])
            for url in server.ready["urls"]:
                equal(wsrt("connect", "--send", "hi", "--expect", "1", url).stdout, "hi\n")
            equal(server.end(), OK)


def serve_takes_its_settings_from_variables_and_flags_win():
    env = {"WSRT_LISTEN": "127.0.0.1:0,127.0.0.1:0", "WSRT_APP": "chat", "WSRT_AWS": "yes",
           "WSRT_QUIET": "1"}
    with Serve(env=env, listen=None) as server:
        equal(len(server.ready["urls"]), 2)
        equal((server.ready["app"], server.ready["aws"]), ("chat", True))
    with Serve("--app", "echo", env=env) as server:
        equal(len(server.ready["urls"]), 1)
        equal(server.ready["app"], "echo")


def a_port_in_use_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        done = wsrt("serve", "--listen", address, "--quiet")
        _complains(done, UNAVAILABLE, f"cannot listen on {address}: Address already in use")


def of_several_addresses_the_one_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        for option in ("--listen", "--admin"):
            done = wsrt("serve", "--listen", "127.0.0.1:0", option, address, "--quiet")
            _complains(done, UNAVAILABLE, f"cannot listen on {address}: Address already in use")


def a_setting_that_the_server_refuses_is_named():
    done = wsrt("serve", "--listen", "127.0.0.1:0", "--host", "x" * 1025)
    equal(done.returncode, CONFIG)
    expect(done.stderr.endswith("the server refuses what --host says\n"), done.stderr)


def a_range_that_is_none_is_told_its_rule():
    for value, rule in (("10.0.0.0/33", "has no length from 0 to 32 behind the slash"),
                        ("::1/129", "has no length from 0 to 128 behind the slash"),
                        ("1.2.3", "is not an address, a range such as 10.0.0.0/8, or unix")):
        _complains(wsrt("serve", "--trusted-proxy", value), USAGE, f"--trusted-proxy: '{value}' {rule}")


def an_address_of_another_machine_is_unavailable():
    _complains(wsrt("serve", "--listen", "192.0.2.1:0", "--insecure", "--quiet"), UNAVAILABLE,
               "cannot listen on 192.0.2.1:0")


def a_socket_in_a_folder_that_is_missing_cannot_be_created():
    _complains(wsrt("serve", "--listen", "unix:/nonexistent/folder/s", "--quiet"), NO_CREATE,
               "cannot create unix:/nonexistent/folder/s")


def a_bind_beyond_loopback_is_refused_with_three_lines_of_help():
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:80"):
        done = wsrt("serve", "--listen", address)
        equal((done.returncode, done.stdout), (CONFIG, ""))
        equal(done.stderr.count("\n"), 3, done.stderr)
        expect(address in done.stderr and "--insecure" in done.stderr, done.stderr)
        done = wsrt("serve", "--listen", "127.0.0.1:0", "--admin", address)
        equal((done.returncode, done.stdout, done.stderr.count("\n")), (CONFIG, "", 3))
        expect(address in done.stderr, done.stderr)


def insecure_binds_beyond_loopback():
    with Serve("--insecure", "--app", "echo", listen="0.0.0.0:0") as server:
        url = f"ws://127.0.0.1:{server.port}/"
        equal(wsrt("connect", "--send", "x", "--expect", "1", url).stdout, "x\n")
        equal(server.end(), OK)


# ---- a store in a file ----

def _no_sqlite(done):
    """Whether the tool was built without SQLite, which it must say in one way."""
    if "without SQLite" not in done.stderr:
        return False
    _complains(done, CONFIG, "--store: this wsrt was built without SQLite")
    return True


def _rows(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def _say(server, text, session):
    message = {"type": "message",
               "data": {"action": "say", "message": text, "sessionId": session}}
    done = wsrt("connect", "--token", "sesame", "--send", json.dumps(message), "--expect", "3",
                "--timeout", "60s", server.url, timeout=90)
    equal(done.returncode, OK, done.stderr)
    expect(f"You said: {text}" in done.stdout, done.stdout)


def a_store_that_cannot_be_used_is_told_in_one_line():
    with tempfile.TemporaryDirectory() as folder:
        text = os.path.join(folder, "text")
        pathlib.Path(text).write_text("no database", encoding="utf-8")
        table = [("/nonexistent/chat.db", NO_CREATE, "the directory does not exist"),
                 (text, CONFIG, "the file is not an SQLite database")]
        for path, status, why in table:
            done = wsrt("serve", "--listen", "127.0.0.1:0", "--store", "sqlite:" + path)
            if _no_sqlite(done):
                return
            _complains(done, status, f"{path}: {why}")
        newer = os.path.join(folder, "newer.db")
        with Serve("--store", "sqlite:" + newer) as server:
            equal(server.end(), OK)
        with contextlib.closing(sqlite3.connect(newer)) as database:
            database.execute("PRAGMA user_version=99")
        done = wsrt("serve", "--listen", "127.0.0.1:0", "--store", "sqlite:" + newer)
        _complains(done, CONFIG, f"{newer}: the database was written by a newer release")


def a_chat_survives_kill_9_and_its_stale_connections_do_not():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "chat.db")
        # A client that answers no ping must not be closed for it, however slow the machine is.
        store = ("--store", "sqlite:" + path, "--dev-token", "sesame=ali", "--ping-interval", "0")
        if _no_sqlite(wsrt("serve", "--listen", "127.0.0.1:0", "--store", "sqlite:/nonexistent/x")):
            return
        with Serve(*store) as server:
            with _Raw(server.port) as idle:
                equal(idle.status, 101)
                _say(server, "before", "session-1")
                end = time.monotonic() + 90  # its farewell is handled after it has gone
                while len(_rows(path, "SELECT id FROM connection")) > 1:
                    expect(time.monotonic() < end, "who has left is still there", server.log)
                    time.sleep(0.01)
                equal(server.end(signal.SIGKILL), -signal.SIGKILL)
        equal(len(_rows(path, "SELECT id FROM connection")), 1, "the connection that was killed")
        with Serve(*store) as server:
            equal(_rows(path, "SELECT id FROM connection"), [])
            _say(server, "after", "session-1")
            equal(server.end(), OK)
            expect("stale_connections_removed" in "".join(server.log), server.log)
        equal(_rows(path, "SELECT content FROM message WHERE session_id='session-1' ORDER BY seq"),
              [("before",), ("You said: before",), ("after",), ("You said: after",)])


def require_auth_without_tokens_is_a_configuration_error():
    _complains(wsrt("serve", "--require-auth"), CONFIG, "--require-auth")


def a_token_given_twice_is_a_configuration_error():
    _complains(wsrt("serve", "--dev-token", "t=a", "--dev-token", "t=b"), CONFIG, "--dev-token")


# ---- serve: life ----

def term_and_int_drain_and_end_with_0():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Serve("--app", "echo") as server, _Raw(server.port) as client:
            server.process.send_signal(number)
            code, reason = client.close_frame()
            equal(code, 1012)
            expect(re.fullmatch(r"reconnect_ms=\d+", reason), reason)
            client.send(8, struct.pack(">H", 1012))
            equal(server.process.wait(10), OK)


def term_tells_1000_clients_when_to_come_back_and_ends_with_0():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Serve("--app", "echo", "--no-rate-limit", "--ping-interval", "0"))
        clients = [stack.enter_context(_Raw(server.port)) for _ in range(1000)]
        equal({client.status for client in clients}, {101})
        server.process.send_signal(signal.SIGTERM)
        waits = set()
        for client in clients:
            code, reason = client.close_frame()
            wait = re.fullmatch(r"reconnect_ms=(\d+)", reason)
            expect(code == 1012 and wait and 250 <= int(wait[1]) <= 5000, code, reason)
            waits.add(int(wait[1]))
            client.send(8, struct.pack(">H", 1012))
        expect(len(waits) > 500, f"{len(waits)} different times to come back")
        equal(server.process.wait(60), OK)
        server.end()
        equal(sum('"event":"disconnect"' in line for line in server.log), 1000, "$disconnects")


def a_second_signal_ends_at_once_with_128_and_its_number():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Serve("--app", "echo") as server, _Raw(server.port) as client:
            server.process.send_signal(signal.SIGTERM)
            client.close_frame()  # never answered: the drain goes on
            server.process.send_signal(number)
            equal(server.process.wait(3), 128 + number)


def drain_timeout_bounds_a_drain():
    with Serve("--app", "echo", "--drain-timeout", "300ms") as server, _Raw(server.port) as client:
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        client.close_frame()
        equal(server.process.wait(10), OK)
        expect(time.monotonic() - begun < 3, "the drain took", time.monotonic() - begun)


def a_handler_that_outlives_the_drain_does_not_keep_the_process():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "chat.db")
        store = ("--store", "sqlite:" + path, "--dev-token", "sesame=ali", "--drain-timeout", "100ms")
        if _no_sqlite(wsrt("serve", "--listen", "127.0.0.1:0", "--store", "sqlite:/nonexistent/x")):
            return
        words = '{"type":"message","data":{"action":"say","message":"hello","sessionId":"s-1"}}'
        with Serve(*store) as server, _Raw(server.port, "/?token=sesame") as client, \
                contextlib.closing(sqlite3.connect(path)) as stranger:
            equal(client.status, 101)
            stranger.execute("BEGIN IMMEDIATE")  # for which handlers wait 5 s each: two do here
            client.send(1, words.encode())
            while 'wsrt_messages_total{direction="in"} 1' not in _http(server.port, "/metrics")[1]:
                time.sleep(0.01)
            server.process.send_signal(signal.SIGTERM)
            equal(server.process.wait(60), INTERNAL)
            server.end()
            log = "".join(server.log)
            expect("server.handlers_still_run" in log, log)
            expect("a handler still runs after the drain" in log, log)


# ---- serve: limits ----

def idle_timeout_closes_a_silent_connection():
    with Serve("--app", "echo", "--idle-timeout", "300ms") as server, _Raw(server.port) as client:
        equal(client.close_frame()[0], 1001)


def lifetime_closes_a_busy_connection():
    with Serve("--app", "echo", "--lifetime", "500ms") as server, _Raw(server.port) as client:
        client.send(1, b"busy")
        equal(client.frame(), (1, b"busy"))
        equal(client.close_frame()[0], 1001)


def ping_interval_pings_and_ping_timeout_closes_who_does_not_answer():
    with Serve("--app", "echo", "--ping-interval", "200ms", "--ping-timeout", "300ms") as server:
        with _Raw(server.port) as client:
            equal(client.frame()[0], 9)
            equal(client.close_frame()[0], 1001)
        with _Raw(server.port) as client:
            for _ in range(3):
                opcode, payload = client.frame()
                equal(opcode, 9)
                client.send(10, payload)


def _client(server):
    return wsrt("connect", "--send", "hi", "--expect", "1", server.url)


def _threads(server):
    return len(os.listdir(f"/proc/{server.process.pid}/task"))


def loops_and_workers_are_threads_of_their_own():
    with Serve("--app", "echo") as server:
        alone = _threads(server)
    with Serve("--app", "echo", "--loops", "2", "--workers", "3") as server:
        equal(_client(server).stdout, "hi\n")
        equal(_threads(server), alone + 1 + 3)
        equal(server.end(), 0)


def a_durable_store_brings_four_workers_unless_told_otherwise():
    with tempfile.TemporaryDirectory() as folder:
        store = "sqlite:" + str(pathlib.Path(folder, "db"))
        done = wsrt("serve", "--listen", "127.0.0.1:0", "--store", store + "/no")
        if _no_sqlite(done):
            return
        with Serve("--app", "echo", "--workers", "0", "--store", store) as server:
            none = _threads(server)
            equal(_client(server).stdout, "hi\n")
        with Serve("--app", "echo", "--store", store) as server:
            equal(_threads(server), none + 4)
            equal(_client(server).stdout, "hi\n")
            equal(server.end(), 0)


def _status(port, path, *fields):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall("\r\n".join((f"GET {path} HTTP/1.0", "Host: localhost", *fields, "", "")).encode())
        return int(peer.recv(4096).split()[1])


def admin_moves_the_paths_that_manage():
    with Serve("--app", "echo", "--admin", "127.0.0.1:0") as server:
        equal(len(server.ready["urls"]), 1)
        admin = int(server.ready["management"].rsplit(":", 1)[1])
        expect(admin != server.port, server.ready)
        equal(_status(server.port, "/metrics"), 404)
        equal(_status(admin, "/metrics"), 200)
        equal(_status(admin, "/metrics", "X-Forwarded-For: 10.0.0.1"), 403)


def behind_a_proxy_management_wants_a_listener_of_its_own():
    with Serve("--app", "echo", "--trusted-proxy", "127.0.0.0/8") as server:
        equal(server.ready["management"], None)
        equal(_status(server.port, "/metrics"), 404)
    with Serve("--app", "echo", "--trusted-proxy", "127.0.0.0/8", "--admin",
               "127.0.0.1:0") as server:
        admin = int(server.ready["management"].rsplit(":", 1)[1])
        equal(_status(admin, "/metrics"), 200)


def a_servers_version_names_the_features_that_are_on():
    table = [(("--app", "echo"), []), (("--app", "dashboard"), ["publish"]),
             (("--aws", "--workers", "2"), ["api-gateway", "workers"])]
    for args, features in table:
        with Serve(*args) as server:
            told = json.loads(_http(server.port, "/version")[1])
            equal(told["features"], features)
            equal(list(told), ["version", "abi", "app", "features"])


def max_connections_refuses_one_more():
    with Serve("--app", "echo", "--max-connections", "1") as server, _Raw(server.port) as client:
        equal(client.status, 101)
        done = wsrt("connect", server.url)
        _complains(done, UNAVAILABLE, "503")


def max_per_ip_does_not_count_loopback():
    with Serve("--app", "echo", "--max-per-ip", "1") as server:
        with _Raw(server.port) as first, _Raw(server.port) as second:
            equal((first.status, second.status), (101, 101))


def foreign_origins_need_allow_origin():
    site = ("--header", "Origin: https://example.com")
    with Serve("--app", "echo") as server:
        _complains(wsrt("connect", *site, server.url), REFUSED, "403")
    with Serve("--app", "echo", "--allow-origin", "https://example.com") as server:
        equal(wsrt("connect", *site, "--send", "x", "--expect", "1", server.url).returncode, OK)


def foreign_hosts_need_host():
    with Serve("--app", "echo", "--host", "ws.example.com") as server:
        for host, status in (("ws.example.com", 101), ("other.example.com", 421)):
            with _Raw(server.port, Host=host) as client:
                equal(client.status, status, host)


def stage_names_an_upgrade_path():
    for args, good, bad in (((), "/prod", "/dev"), (("--stage", "dev"), "/dev", "/prod")):
        with Serve("--app", "echo", *args) as server:
            for path, status in ((good, 101), ("/ws", 101), (bad, 404)):
                with _Raw(server.port, path) as client:
                    equal(client.status, status, path)


def aws_refuses_binary_messages():
    with Serve("--app", "echo", "--aws") as server, _Raw(server.port) as client:
        client.send(2, b"\0")
        equal(client.close_frame()[0], 1003)


def require_auth_wants_a_dev_token():
    with Serve("--dev-token", "sesame=ali", "--dev-token", "two=bob", "--require-auth") as server:
        _complains(wsrt("connect", server.url), REFUSED, "401")
        _complains(wsrt("connect", "--token", "wrong", server.url), REFUSED, "401")
        ping = '{"type":"ping","data":{"action":"now"}}'
        for token in ("sesame", "two"):
            done = wsrt("connect", "--token", token, "--send", ping, "--expect", "1", server.url)
            equal(done.returncode, OK, done.stderr)
            equal(json.loads(done.stdout)["type"], "pong")
        expect("sesame" not in "".join(server.log), "a token in the log")


def the_chat_limits_rates_unless_told_not_to():
    ping = '{"type":"ping","data":{"action":"now"}}\n'
    for args, limited in (((), True), (("--no-rate-limit",), False)):
        with Serve(*args) as server:
            done = wsrt("connect", "--linger", "300ms", server.url, stdin=ping * 60)
            types = [json.loads(line)["type"] for line in done.stdout.splitlines()]
            equal(len(types), 60, done.stderr)
            equal("error" in types, limited)


def developer_errors_are_for_programs_that_might_manage_the_server_and_only_when_it_allows_them():
    for allowed in (False, True):
        for workers in ("0", "1"):
            flags = ("--developer-errors",) if allowed else ()
            with Serve("--app", "chat", "--workers", workers, *flags) as server:
                for header, local in ((), True), (("--header", "X-Forwarded-For: 192.0.2.1"), False):
                    done = wsrt("connect", "--send", '{"type":"nope"}', "--expect", "1", *header,
                                server.url)
                    error = json.loads(done.stdout)["error"]
                    equal("debug" in error, allowed and local, f"{flags} {header} {workers}")
                    equal("details" in error, allowed and local)
                equal(server.end(), OK)


# ---- serve: logs ----

def _log_of(*args, number=signal.SIGTERM):
    with Serve("--app", "echo", *args) as server:
        wsrt("connect", "--send", "x", "--expect", "1", "--header", "X-Test: 1", server.url)
        equal(server.end(number), OK)
        return "".join(server.log)


def logs_are_json_lines_when_stderr_is_no_terminal():
    lines = [json.loads(line) for line in _log_of("-v").splitlines()]
    expect(len(lines) >= 1, "nothing was logged")
    for line in lines:
        expect(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), line)
        expect(line["level"] in ("debug", "info", "warn", "error"), line)
        expect(line["event"], line)


def pretty_logs_start_with_the_time_and_carry_no_colour_to_a_file():
    log = _log_of("--log-format", "pretty", "--log-level", "debug")
    for line in log.splitlines():
        expect(re.match(r"\d\d:\d\d:\d\d\.\d{3} (debug|info |warn |error) \S", line), line)
    expect(log != "" and "\x1b" not in log, repr(log))


def quiet_and_log_level_silence_the_rest():
    equal(_log_of("--quiet"), "")
    equal(_log_of("--log-level", "error"), "")


# ---- connect ----

def connect_sends_lines_of_stdin_and_prints_messages():
    with Serve("--app", "echo") as server:
        done = wsrt("connect", "--linger", "300ms", server.url, stdin="one\ntwo\r\nlast")
        equal((done.returncode, done.stdout, done.stderr), (OK, "one\ntwo\nlast\n", ""))


def connect_prefers_send_to_stdin_unless_told_both():
    with Serve("--app", "echo") as server:
        args = ("connect", "--linger", "300ms", "--send", "a", "--send", "b,c")
        equal(wsrt(*args, server.url, stdin="d\n").stdout, "a\nb,c\n")
        equal(wsrt(*args, "--stdin", server.url, stdin="d\n").stdout, "a\nb,c\nd\n")


def connect_prints_json_and_binary_as_base64():
    with Serve("--app", "echo") as server:
        for flags, kind, data in (((), "text", 'q"\\'), (("--binary",), "binary", "cSJc")):
            done = wsrt("connect", "--send", 'q"\\', "--expect", "1", "--format", "json", *flags,
                        server.url)
            told = json.loads(done.stdout)
            equal(list(told), ["t_ms", "type", "data"])
            equal((told["type"], told["data"]), (kind, data))


def connect_ends_when_the_expected_messages_came():
    with Serve("--app", "echo") as server:
        begun = time.monotonic()
        done = wsrt("connect", "--send", "1", "--send", "2", "--expect", "2", "--timeout", "10s",
                    server.url)
        equal((done.returncode, done.stdout), (OK, "1\n2\n"))
        expect(time.monotonic() - begun < 5, "it waited for the timeout")


def connect_fails_when_fewer_messages_come_in_time():
    with Serve("--app", "echo") as server:
        done = wsrt("connect", "--send", "1", "--expect", "2", "--timeout", "300ms", server.url)
        equal((done.returncode, done.stdout), (UNMET, "1\n"))
        expect("1 of 2 messages came" in done.stderr, done.stderr)


def connect_tells_an_early_close():
    with Serve("--app", "echo", "--aws") as server:
        done = wsrt("connect", "--binary", "--send", "x", "--linger", "5s", server.url)
        equal(done.returncode, UNMET)
        expect("1003" in done.stderr, done.stderr)


def connect_without_a_server_is_unavailable():
    _complains(wsrt("connect", DEAD_URL), UNAVAILABLE, "Connection refused")
    _complains(wsrt("connect", "ws+unix:/nonexistent/s"), UNAVAILABLE, "No such file")


def connect_gives_up_on_a_server_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = "ws://127.0.0.1:%d/" % mute.getsockname()[1]
        _complains(wsrt("connect", "--timeout", "300ms", url), UNAVAILABLE, "no answer in time")


def _one_answer(answer):
    """A server that gives one answer to anybody: its port and what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def work():
        peer, _ = listener.accept()
        asked.append(peer.recv(65536).decode())
        peer.sendall(answer)
        peer.close()
        listener.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return listener.getsockname()[1], asked, thread


def connect_refuses_answers_that_are_no_handshake():
    table = [(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", UNAVAILABLE, "200 OK"),
             (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", REFUSED, "403 No"),
             (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n", UNAVAILABLE, "wsrt:"),
             (b"garbage\r\n\r\n", UNAVAILABLE, "not HTTP"), (b"", UNAVAILABLE, "hung up")]
    for answer, status, text in table:
        port, _, thread = _one_answer(answer)
        _complains(wsrt("connect", f"ws://127.0.0.1:{port}/"), status, text)
        thread.join()


MANY, LONG = 15, 100000


def _late_reader(path, answers):
    """A server at a unix socket that reads MANY messages a second and a half late, then answers."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def work():
        peer, _ = listener.accept()
        head = peer.recv(65536).decode()
        key = re.search("Sec-WebSocket-Key: (.*)\r", head).group(1)
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        peer.sendall(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n")
        threading.Event().wait(1.5)
        left = MANY * (LONG + 14)
        while left > 0:
            left -= len(peer.recv(min(left, 1 << 20)))
        peer.sendall(answers)
        closed.append(peer.recv(100))
        listener.close()

    closed = []
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return closed, thread


def connect_lingers_from_when_the_last_message_has_left():
    with tempfile.TemporaryDirectory() as folder:
        closed, thread = _late_reader(f"{folder}/s", b"\x81\x04done")
        done = wsrt("connect", *["--send", "x" * LONG] * MANY, "--linger", "1s",
                    f"ws+unix:{folder}/s:/")
        equal((done.returncode, done.stdout), (OK, "done\n"), done.stderr)
        thread.join()
        equal(closed[0][0], 0x88, "a close frame")


def connect_asks_for_what_it_was_told():
    port, asked, thread = _one_answer(b"")
    wsrt("connect", "--header", "X-One: 1", "--header", "X-Two: 2", "--subprotocol", "chat.v1",
         "--token", "abc", f"ws://localhost:{port}/path?q=1#fragment")
    thread.join()
    for line in ("GET /path?q=1 HTTP/1.1", f"Host: localhost:{port}", "X-One: 1", "X-Two: 2",
                 "Sec-WebSocket-Protocol: chat.v1", "Authorization: Bearer abc"):
        expect(f"{line}\r\n" in asked[0], line, "is not in", asked[0])


def a_token_comes_from_its_variable_or_from_a_file():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "token"
        path.write_text("from-file\n", encoding="utf-8")
        marked = path.with_name("marked")
        marked.write_bytes(b"\xef\xbb\xbffrom-notepad\r\nmore\r\n")
        for env, token in (({"WSRT_TOKEN": "from-env"}, "from-env"),
                           ({"WSRT_TOKEN_FILE": str(marked)}, "from-notepad"),
                           ({"WSRT_TOKEN_FILE": str(path)}, "from-file")):
            port, asked, thread = _one_answer(b"")
            wsrt("connect", f"ws://127.0.0.1:{port}/", env=env)
            thread.join()
            expect(f"Bearer {token}\r\n" in asked[0], asked[0])
        _complains(wsrt("connect", DEAD_URL, env={"WSRT_TOKEN_FILE": "/nonexistent"}), CONFIG,
                   "WSRT_TOKEN_FILE")


def bad_urls_are_usage_errors():
    for url in ("http://127.0.0.1/", "127.0.0.1:80", "ws://", "ws://:80/", "ws://h:port/",
                "wss://", "ws+unix:", "ws://a b/", "ws://127.0.0.1:0/", "ws://127.0.0.1:65536/",
                "ws://[::1/", "ws://::1/", "ws://[h]:1/", "ws://user@127.0.0.1:1/",
                "ws://user:word@127.0.0.1:1/"):
        _complains(wsrt("connect", url), USAGE, "wsrt: ")


# ---- bench ----

def bench_reports_json_without_errors_against_echo():
    with Serve("--app", "echo") as server:
        done = wsrt("bench", "--connections", "4", "--rate", "200", "--duration", "1s", "--warmup",
                    "200ms", "--ramp", "100ms", "--payload", "1KiB", "--format", "json",
                    "--fail-if", "errors>0,received<200", server.url)
        equal(done.returncode, OK, done.stdout + done.stderr)
        told = json.loads(done.stdout)
        equal(list(told), ["connections", "rate", "duration_s", "payload", "sent", "received",
                           "throughput", "errors", "latency_us", "late_sends", "fail_if"])
        equal((told["connections"], told["rate"], told["payload"]), (4, 200, 1024))
        equal((told["sent"], told["received"], told["fail_if"]), (200, 200, []))
        equal(told["errors"], {"connect": 0, "closed": 0, "timeout": 0, "mismatch": 0})
        latency = [told["latency_us"][k] for k in ("p50", "p90", "p99", "p99.9", "max")]
        expect(latency == sorted(latency) and latency[0] > 0, latency)


def bench_fails_on_a_condition_and_says_which():
    with Serve("--app", "echo") as server:
        done = wsrt("bench", "--rate", "50", "--duration", "200ms", "--fail-if",
                    "p50<=10s,errors>0,max>=0us", server.url)
        equal(done.returncode, UNMET)
        expect("failed  p50<=10s,max>=0us\n" in done.stdout, done.stdout)


def bench_sees_a_server_that_stands_still():
    with Serve("--app", "echo") as server:
        stop = threading.Timer(0.5, server.process.send_signal, [signal.SIGSTOP])
        go = threading.Timer(3.5, server.process.send_signal, [signal.SIGCONT])
        stop.start()
        go.start()
        done = wsrt("bench", "--rate", "100", "--duration", "2s", "--format", "json", "--fail-if",
                    "errors>0", server.url)
        go.join()
        equal(done.returncode, UNMET, done.stdout)
        expect(json.loads(done.stdout)["errors"]["timeout"] > 0, done.stdout)


def bench_counts_every_receiver_of_a_fanout():
    with Serve("--dev-token", "t=u", "--no-rate-limit") as server:
        done = wsrt("bench", "--mode", "fanout", "--token", "t", "--connections", "5", "--rate",
                    "20", "--duration", "500ms", "--format", "json", server.url)
        told = json.loads(done.stdout)
        equal((told["sent"], told["received"]), (10, 40), done.stderr)
        equal(sum(told["errors"].values()), 0)
    _complains(wsrt("bench", "--mode", "fanout", "--connections", "1", DEAD_URL), USAGE, "fanout")


def bench_counts_mismatches():
    with Serve("--no-rate-limit") as server:  # the chat answers with errors instead of echoes
        done = wsrt("bench", "--rate", "50", "--duration", "200ms", "--format", "json",
                    "--fail-if", "errors>0", server.url, timeout=30)
        equal(done.returncode, UNMET)
        equal(json.loads(done.stdout)["errors"]["mismatch"], 10)


def bench_without_a_server_is_unavailable():
    _complains(wsrt("bench", DEAD_URL), UNAVAILABLE, "Connection refused")


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    main(cases_of(sys.modules[__name__]))
