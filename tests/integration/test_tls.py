#!/usr/bin/env python3
"""`wsrt serve` with TLS, before OpenSSL, Node's ws, python3-websockets and the tool's own client."""
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

from toolcase import CLEAN_ENV, Serve, cases_of, equal, expect, main, wsrt

TESTS = pathlib.Path(__file__).resolve().parent.parent
CLIENTS = TESTS / "clients"
SCRATCH = tempfile.TemporaryDirectory(prefix="wsrt-tls-")
CA = pathlib.Path(SCRATCH.name)
OPENSSL = "/usr/bin/openssl"
subprocess.run([TESTS / "support" / "test-ca", CA], check=True, stderr=subprocess.DEVNULL)
UPGRADE = (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def _serve(*args, cert="server", key=None):
    return Serve("--app", "echo", "--tls-cert", str(CA / f"{cert}.pem"), "--tls-key",
                 str(CA / f"{key or cert}.key"), "--no-rate-limit", *args)


def _context():
    context = ssl.create_default_context(cafile=str(CA / "ca.pem"))
    context.set_alpn_protocols(["http/1.1"])
    return context


def _dial(server, context=None, session=None):
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    return (context or _context()).wrap_socket(raw, server_hostname="localhost", session=session)


def _open(server):
    """A WebSocket by hand."""
    peer = _dial(server)
    peer.sendall(UPGRADE)
    head = peer.recv(4096)
    expect(head.startswith(b"HTTP/1.1 101 "), head)
    return peer


def _echo(peer, text):
    """One short text, masked with zeroes."""
    peer.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    equal(peer.recv(4096), bytes([0x81, len(text)]) + text, "echo")


def _client(server, *args):
    return wsrt("connect", f"wss://localhost:{server.port}/", "--send", "hi", "--expect", "1", *args)


def _s_client(server, *args, stdin="Q\n"):
    return subprocess.run([OPENSSL, "s_client", "-connect", f"127.0.0.1:{server.port}", *args],
                          input=stdin, capture_output=True, text=True, timeout=20, check=False)


def _run(*command, env):
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False,
                          env={**CLEAN_ENV, **env})
    equal(done.returncode, 0, f"{command[1]}: {done.stdout}{done.stderr}")
    return done.stdout


def _wait_for_log(server, text):
    for _ in range(500):
        if any(text in line for line in server.log):
            return
        time.sleep(0.01)
    expect(False, f"no {text} in", "".join(server.log))


def _serial(server):
    with _dial(server) as peer:
        return peer.getpeercert()["serialNumber"]


def _descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


# ---- clients ----


def the_ready_line_names_the_secure_urls():
    with _serve() as server:
        equal(server.ready["url"], f"wss://127.0.0.1:{server.port}/")
        equal(server.ready["urls"], [server.url])
        equal(server.ready["http"], f"https://127.0.0.1:{server.port}")
        equal(server.end(), 0)


def node_ws_exchanges_mixed_messages():
    with _serve() as server:
        out = _run("node", str(CLIENTS / "exchange.mjs"), server.url, "700",
                   env={"NODE_EXTRA_CA_CERTS": str(CA / "ca.pem")})
        equal(out, "700 messages\n")
        equal(server.end(), 0)


def python_websockets_exchanges_mixed_messages():
    with _serve(cert="rsa") as server:
        out = _run(sys.executable, str(CLIENTS / "exchange.py"), server.url, "700",
                   env={"SSL_CERT_FILE": str(CA / "ca.pem")})
        equal(out, "700 messages\n")
        equal(server.end(), 0)


def the_tool_connects_by_name_and_by_address():
    with _serve() as server:
        for host in ("localhost", "127.0.0.1"):
            done = wsrt("connect", f"wss://{host}:{server.port}/", "--cacert", str(CA / "ca.pem"),
                        "--send", "hi", "--expect", "1")
            equal((done.returncode, done.stdout), (0, "hi\n"), done.stderr)


def the_tool_refuses_an_unknown_authority_unless_insecure():
    with _serve() as server:
        done = _client(server)
        equal(done.returncode, 69)
        expect("not signed by a trusted authority" in done.stderr, done.stderr)
        equal(_client(server, "--insecure").returncode, 0)


def the_tool_refuses_a_certificate_of_another_name_or_address():
    with _serve(cert="other") as server:
        for host in ("localhost", "127.0.0.1"):
            done = wsrt("connect", f"wss://{host}:{server.port}/", "--cacert", str(CA / "ca.pem"),
                        "--send", "hi", "--expect", "1")
            equal(done.returncode, 69)
            expect("for another name" in done.stderr, done.stderr)


def the_tool_wants_readable_authorities():
    equal(wsrt("connect", "wss://localhost:1/", "--cacert", str(CA / "absent")).returncode, 78)


def the_tool_measures_over_tls():
    with _serve() as server:
        done = wsrt("bench", server.url, "--cacert", str(CA / "ca.pem"), "--connections", "3",
                    "--rate", "300", "--duration", "1s", "--payload", "20000", "--fail-if",
                    "errors>0")
        equal(done.returncode, 0, done.stdout + done.stderr)


def a_request_body_that_ends_inside_a_record_is_answered():
    with _serve() as server, _dial(server) as peer:
        body = b"x" * 9000
        head = b"POST /api/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n"
        peer.sendall(head + body[:100])
        peer.sendall(body[100:] + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = b""
        while b'{"status":"ok"}' not in got:
            more = peer.recv(4096)
            expect(more, got)
            got += more


def who_does_not_read_is_held_back_and_loses_nothing():
    with _serve() as server, _open(server) as peer:
        peer.settimeout(0.2)
        text = bytes(i % 251 for i in range(60000))
        frame = bytes([0x82, 0xfe]) + len(text).to_bytes(2, "big") + bytes(4) + text
        sent = 0
        try:
            while sent < 1000:
                peer.sendall(frame)
                sent += 1
        except (TimeoutError, socket.timeout):
            pass
        expect(3 < sent < 1000, f"{sent} messages were taken")
        peer.settimeout(20)
        want, got = sent * (len(text) + 4), 0
        while got < want:
            got += len(peer.recv(65536))
        equal(server.process.poll(), None)


def the_peer_sees_a_close_frame_and_a_close_notify():
    with _serve() as server, _open(server) as peer:
        peer.sendall(bytes([0x88, 0x82, 0, 0, 0, 0]) + (1000).to_bytes(2, "big"))
        equal(peer.recv(4096), bytes([0x88, 2]) + (1000).to_bytes(2, "big"))
        equal(peer.recv(4096), b"")  # ssl.SSLEOFError without a close_notify


def a_drain_reaches_clients_over_tls():
    with _serve() as server, _open(server) as peer:
        server.process.send_signal(signal.SIGTERM)
        close = peer.recv(4096)
        equal(close[2:4], (1012).to_bytes(2, "big"))
        expect(close[4:].startswith(b"reconnect_ms="), close)
        peer.sendall(bytes([0x88, 0x82, 0, 0, 0, 0]) + (1012).to_bytes(2, "big"))
        equal(server.process.wait(20), 0)


# ---- what is agreed on ----


def old_versions_and_weak_suites_are_refused():
    refused = [["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"],
               ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA"],
               ["-tls1_2", "-cipher", "AES128-GCM-SHA256"], ["-tls1_2", "-cipher", "AES256-SHA"],
               ["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
               ["-tls1_2", "-curves", "secp521r1"]]
    with _serve(cert="rsa") as server:
        for case in refused:
            if "-cipher" in case:
                case = [*case[:-1], case[-1] + ":@SECLEVEL=0"]
            elif "-curves" not in case:
                case = [*case, "-cipher", "ALL:@SECLEVEL=0"]
            done = _s_client(server, *case)
            expect(done.returncode != 0 and "Cipher is (NONE)" in done.stdout, case, done.stdout)


def the_same_client_is_let_in_where_they_are_permitted():
    """The control: it is the server that refuses, not the client that cannot."""
    permitted = [["-tls1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                 ["-tls1_2", "-cipher", "AES256-SHA:@SECLEVEL=0"],
                 ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256:@SECLEVEL=0"]]
    with subprocess.Popen(
            [OPENSSL, "s_server", "-accept", "127.0.0.1:0", "-cert", str(CA / "rsa.pem"), "-key",
             str(CA / "rsa.key"), "-cipher", "ALL:@SECLEVEL=0", "-min_protocol", "TLSv1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True) as other:
        port = next(line for line in other.stdout if line.startswith("ACCEPT")).rsplit(":", 1)[1]
        for case in permitted:
            done = subprocess.run([OPENSSL, "s_client", "-connect", f"127.0.0.1:{port.strip()}", *case],
                                  input="Q\n", capture_output=True, text=True, timeout=20, check=False)
            expect("Cipher is (NONE)" not in done.stdout and "Cipher is " in done.stdout, case,
                   done.stdout, done.stderr)
        other.kill()


def each_permitted_suite_is_agreed_on():
    suites = ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"]
    for cert, kind in (("rsa", "RSA"), ("server", "ECDSA")):
        with _serve(cert=cert) as server:
            for suite in suites:
                done = _s_client(server, "-tls1_2", "-cipher", f"ECDHE-{kind}-{suite}")
                expect(f"Cipher is ECDHE-{kind}-{suite}" in done.stdout, done.stdout, done.stderr)


def the_server_prefers_its_own_order():
    with _serve() as server:
        done = _s_client(server, "-tls1_2", "-curves", "P-384:P-256:X25519", "-alpn", "h2,http/1.1")
        expect("Server Temp Key: X25519" in done.stdout, done.stdout)
        expect("ALPN protocol: http/1.1" in done.stdout, done.stdout)


def renegotiation_is_refused():
    with _serve() as server:
        done = _s_client(server, "-tls1_2", stdin="R\n")
        expect("no renegotiation" in done.stderr + done.stdout, done.stdout, done.stderr)


def a_ticket_resumes_also_after_a_reload():
    with _serve() as server:
        context = _context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with _dial(server, context) as first:
            session = first.session
        with _dial(server, context, session) as again:
            expect(again.session_reused, "not resumed")
        server.process.send_signal(signal.SIGHUP)
        _wait_for_log(server, "reload.taken")
        with _dial(server, context, session) as again:
            expect(again.session_reused, "not resumed after the reload")


def a_ticket_of_one_loop_resumes_on_all():
    with _serve("--loops", "3") as server:
        context = _context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with _dial(server, context) as first:
            session = first.session
        for _ in range(16):
            with _dial(server, context, session) as again:
                expect(again.session_reused, "not resumed")


# ---- certificates ----


def a_new_certificate_is_taken_by_every_loop():
    (CA / "live.pem").write_bytes((CA / "server.pem").read_bytes())
    (CA / "live.key").write_bytes((CA / "server.key").read_bytes())
    with _serve("--loops", "3", cert="live") as server:
        before = {_serial(server) for _ in range(16)}
        equal(len(before), 1, "certificates")
        (CA / "live.pem").write_bytes((CA / "second.pem").read_bytes())
        (CA / "live.key").write_bytes((CA / "second.key").read_bytes())
        server.process.send_signal(signal.SIGHUP)
        _wait_for_log(server, "reload.taken")
        after = {_serial(server) for _ in range(16)}
        equal(len(after), 1, "certificates after the reload")
        expect(after != before, "the certificate is the old one")


def a_new_certificate_is_taken_and_open_connections_go_on():
    (CA / "live.pem").write_bytes((CA / "server.pem").read_bytes())
    (CA / "live.key").write_bytes((CA / "server.key").read_bytes())
    with _serve(cert="live") as server, _open(server) as peer:
        before = _serial(server)
        (CA / "live.pem").write_bytes((CA / "second.pem").read_bytes())
        (CA / "live.key").write_bytes((CA / "second.key").read_bytes())
        server.process.send_signal(signal.SIGHUP)
        _wait_for_log(server, "reload.taken")
        expect(_serial(server) != before, "the certificate is the old one")
        _echo(peer, b"still here")


def a_bad_pair_changes_nothing_and_is_logged():
    with tempfile.TemporaryDirectory() as scratch:
        cert, key = pathlib.Path(scratch, "c"), pathlib.Path(scratch, "k")
        cert.write_bytes((CA / "server.pem").read_bytes())
        key.write_bytes((CA / "server.key").read_bytes())
        with Serve("--app", "echo", "--tls-cert", str(cert), "--tls-key", str(key)) as server:
            before = _serial(server)
            for name, reason in (("second", "does not belong"), ("expired", "has expired"),
                                 (None, "is not PEM"), ("absent", "cannot be read")):
                if name == "absent":
                    cert.unlink()
                else:
                    cert.write_bytes(b"?" if name is None else (CA / f"{name}.pem").read_bytes())
                if name == "expired":
                    key.write_bytes((CA / "expired.key").read_bytes())
                server.process.send_signal(signal.SIGHUP)
                _wait_for_log(server, reason)
                equal(_serial(server), before, reason)


def a_server_does_not_start_with_a_bad_pair():
    for cert, key in (("server", "second"), ("expired", "expired"), ("absent", "server"),
                      ("server", "absent")):
        done = wsrt("serve", "--listen", "127.0.0.1:0", "--tls-cert", str(CA / f"{cert}.pem"),
                    "--tls-key", str(CA / f"{key}.key"))
        equal(done.returncode, 78, f"{cert} {key}: {done.stderr}")
        expect("certificate_refused" in done.stderr, done.stderr)
    equal(wsrt("serve", "--tls-cert", str(CA / "server.pem")).returncode, 78)


# ---- unfriendly peers ----


def clear_text_is_told_so_and_closed():
    with _serve() as server, socket.create_connection(("127.0.0.1", server.port), 20) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = b""
        while more := peer.recv(4096):
            got += more
        expect(got.startswith(b"HTTP/1.1 400 ") and b"https" in got, got)


def garbage_and_half_handshakes_leave_nothing_behind():
    with _serve() as server, _open(server) as peer:
        before = _descriptors(server)
        for attempt in (b"\x00\xff" * 99, b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff",
                        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x16", b""):
            with socket.create_connection(("127.0.0.1", server.port), 20) as raw:
                raw.sendall(attempt)
        _echo(peer, b"alive")
        for _ in range(300):
            if _descriptors(server) == before:
                return
            time.sleep(0.01)
        equal(_descriptors(server), before, "descriptors")


def a_flood_of_handshakes_passes_while_an_open_connection_goes_on():
    with _serve() as server, _open(server) as peer:
        silent = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(40)]
        flood = []
        for _ in range(200):
            raw = socket.create_connection(("127.0.0.1", server.port), 20)
            raw.setblocking(False)
            flood.append(_context().wrap_socket(raw, server_hostname="localhost",
                                                do_handshake_on_connect=False))
        done, late, end = 0, 0, time.monotonic() + 60
        while flood and time.monotonic() < end:
            for one in list(flood):
                try:
                    one.do_handshake()
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    continue
                except OSError:  # a slow machine meets the time limits of a handshake
                    late += 1
                else:
                    done += 1
                flood.remove(one)
                one.close()
            _echo(peer, b"during the flood")
        equal(done + late, 200, "handshakes")
        expect(done > 64, f"{done} handshakes succeeded")
        _open(server).close()
        for one in silent:
            one.close()


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    main(cases_of(sys.modules[__name__]))
