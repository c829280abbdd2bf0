"""`wsrt doctor`, as docs/server.md shows it: faults are planted, and it names each with what to type
against it."""
import contextlib
import http.server
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

from toolcase import CLEAN_ENV, WSRT, Serve, cases_of, equal, expect, main, wsrt

OK, UNMET, USAGE = 0, 1, 2
FREE = ("--listen", "127.0.0.1:0")
TEST_CA = pathlib.Path(__file__).resolve().parents[1] / "support" / "test-ca"
CHECKS = ["config", "descriptors", "kernel", "kernel", "clock", "port", "tls", "store", "origin", "jwks",
          "systemd"]


def _ask(*args, env=None, free=FREE, **more):
    """Its status and findings."""
    done = subprocess.run([WSRT, "doctor", *free, "--format", "json", *args], capture_output=True,
                          text=True, timeout=60, env={**CLEAN_ENV, **(env or {})}, check=False, **more)
    told = json.loads(done.stdout)
    results = [f["result"] for f in told["checks"]]
    equal((told["failed"], told["warned"]), (results.count("fail"), results.count("warn")))
    equal(done.returncode, UNMET if told["failed"] else OK, done.stdout)
    for finding in told["checks"]:
        equal(finding["try"] != "", finding["result"] != "ok", finding)
    return told["checks"]


def _finding(check, result, *args, **more):
    """The only finding of that check that is not well; `result` is how it is."""
    found = [f for f in _ask(*args, **more) if f["check"] == check]
    bad = [f for f in found if f["result"] != "ok"]
    equal([f["result"] for f in bad], [result] if result != "ok" else [], found)
    return (bad or found)[0]


@contextlib.contextmanager
def _folder():
    with tempfile.TemporaryDirectory() as name:
        yield pathlib.Path(name)


# ---- the whole ----

def a_machine_that_is_well_is_told_check_by_check():
    found = _ask()
    equal([f["check"] for f in found], CHECKS)
    equal([f for f in found if f["result"] == "fail"], [])


def as_text_each_finding_is_a_line_with_its_remedy():
    with _folder() as folder:
        done = wsrt("doctor", *FREE, "--store", f"sqlite:{folder}/no/chat.db")
        equal((done.returncode, done.stderr), (UNMET, ""))
        lines = done.stdout.splitlines()
        equal([line.split()[1] for line in lines], CHECKS)
        equal({line.split()[0] for line in lines} - {"ok", "warn", "fail"}, set())
        store = next(line for line in lines if line.split()[1] == "store")
        expect(store.startswith("fail  store       ") and "; try: install -d" in store, store)


def it_takes_the_options_of_serve_and_refuses_others():
    equal(wsrt("doctor", "--loops", "99").returncode, USAGE)
    equal(wsrt("doctor", "--lopos", "1").returncode, USAGE)


# ---- the configuration ----

def faults_of_the_configuration_are_findings_and_the_rest_is_looked_at():
    with _folder() as folder:
        path = folder / "wsrt.json"
        path.write_text('{"loops":99,"app":"ecko"}', encoding="utf-8")
        found = _ask("--config", str(path))
        equal((found[0]["result"], found[0]["text"]), ("fail", "2 faults, told above"))
        path.write_text('{"loops":99}', encoding="utf-8")
        equal(_ask("--config", str(path))[0]["text"], "1 fault, told above")
        equal([f["check"] for f in found], CHECKS)
        path.write_text('{"require-auth":true}', encoding="utf-8")
        finding = _finding("config", "fail", "--config", str(path))
        expect(f"{path}:1: /require-auth: --require-auth without" in finding["text"], finding)
        path.write_text('{"loops":2}', encoding="utf-8")
        equal(_finding("config", "ok", "--config", str(path))["text"], str(path))


def a_bind_beyond_loopback_without_tokens_is_a_fault():
    expect("reachable" in _finding("config", "fail", free=("--listen", "0.0.0.0:0"))["text"])
    _finding("config", "ok", "--insecure", free=("--listen", "0.0.0.0:0"))


def broken_breakers_are_a_fault():
    with _folder() as folder:
        path = folder / "breakers.json"
        path.write_text('{"defaults":{"x":1}}', encoding="utf-8")
        expect("/defaults/x" in _finding("config", "fail", "--breakers", str(path))["text"])


# ---- the machine ----

def _with_descriptors(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def few_descriptors_are_told_and_too_few_are_a_fault():
    found = _finding("descriptors", "warn", preexec_fn=_with_descriptors(1000))
    equal(found["text"], "1000 allow 900 connections")
    expect("LimitNOFILE" in found["try"], found)
    _finding("descriptors", "fail", "--max-connections", "901", preexec_fn=_with_descriptors(1000))
    _finding("descriptors", "warn", "--max-connections", "900", preexec_fn=_with_descriptors(1000))
    _finding("descriptors", "fail", preexec_fn=_with_descriptors(60))


# ---- where it listens ----

def a_port_in_use_is_a_fault():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = _finding("port", "fail", free=("--listen", f"127.0.0.1:{port}"))
        expect("Address already in use" in found["text"] and f"sport = :{port}" in found["try"], found)
        _finding("port", "fail", "--admin", f"127.0.0.1:{port}")
    _finding("port", "ok", free=("--listen", f"127.0.0.1:{port}"))


def an_address_of_another_machine_is_a_fault():
    _finding("port", "fail", "--insecure", free=("--listen", "192.0.2.1:80"))


def a_socket_that_cannot_be_made_is_a_fault_and_a_servers_is_left_alone():
    with _folder() as folder:
        _finding("port", "fail", "--admin", f"unix:{folder}/no/admin")
        (folder / "file").write_text("x", encoding="utf-8")
        _finding("port", "fail", "--admin", f"unix:{folder}/file")
        _finding("port", "ok", "--admin", f"unix:{folder}/" + "x" * (106 - len(str(folder))))
        with Serve("--listen", f"unix:{folder}/s", "--app", "echo") as server:
            _finding("port", "ok", "--admin", f"unix:{folder}/s")
            done = wsrt("connect", "--send", "x", "--expect", "1", f"ws+unix:{folder}/s:/")
            equal((done.stdout, server.end()), ("x\n", OK))
        equal(sorted(os.listdir(folder)), ["file"])


# ---- TLS ----

def _openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def _tls(folder, cert, key):
    return ("--tls-cert", str(folder / cert), "--tls-key", str(folder / key))


def certificates_are_judged_with_their_key_chain_and_end():
    if "no TLS" in wsrt("serve", *FREE, "--tls-cert", "a", "--tls-key", "b").stderr:
        return
    with _folder() as folder:
        subprocess.run([TEST_CA, folder], check=True, capture_output=True)
        text = {p.name: p.read_text() for p in folder.glob("*.pem")}
        (folder / "chain.pem").write_text(text["server.pem"] + text["ca.pem"])
        (folder / "mixed.pem").write_text(text["server.pem"] + text["other.pem"])
        _openssl(folder, "req", "-x509", "-new", "-key", "ca.key", "-days", "90", "-subj", "/CN=x",
                 "-out", "self.pem")
        table = [("chain.pem", "server.key", "warn", "ends in (1 day|2 days)$", "kill -HUP"),
                 ("mixed.pem", "server.key", "fail", "the issuer of certificate 1 is not behind it", "cat"),
                 ("self.pem", "ca.key", "warn", "signed by itself", "authority"),
                 ("server.pem", "second.key", "fail", "the key does not belong", "openssl x509"),
                 ("expired.pem", "expired.key", "fail", "has expired", "openssl x509"),
                 ("server.key", "server.key", "fail", "not PEM", "openssl x509"),
                 ("none.pem", "server.key", "fail", "No such file", "openssl x509")]
        for path in folder.glob("*.key"):
            path.chmod(0o600)
        for cert, key, result, why, remedy in table:
            found = _finding("tls", result, *_tls(folder, cert, key))
            expect(re.search(why, found["text"]) and remedy in found["try"], found)
        (folder / "ca.key").chmod(0o644)
        found = [f for f in _ask(*_tls(folder, "self.pem", "ca.key")) if f["check"] == "tls"][-1]
        expect("can be read by everybody" in found["text"] and "chmod 640" in found["try"], found)
        (folder / "ca.key").chmod(0o620)
        found = [f for f in _ask(*_tls(folder, "self.pem", "ca.key")) if f["check"] == "tls"][-1]
        expect("can be changed by others" in found["text"], found)


def a_chain_that_is_well_is_told():
    if "no TLS" in wsrt("serve", *FREE, "--tls-cert", "a", "--tls-key", "b").stderr:
        return
    with _folder() as folder:
        for name, more in (("ca", ["-x509", "-days", "90", "-out", "ca.pem"]), ("s", ["-out", "s.csr"])):
            _openssl(folder, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", f"{name}.key", "-subj", f"/CN={name}", *more)
        _openssl(folder, "x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-days", "60", "-out", "s.pem")
        (folder / "s.key").chmod(0o600)
        found = _finding("tls", "warn", *_tls(folder, "s.pem", "s.key"))
        expect("is alone" in found["text"], found)
        (folder / "chain.pem").write_text((folder / "s.pem").read_text() + (folder / "ca.pem").read_text())
        found = _finding("tls", "ok", *_tls(folder, "chain.pem", "s.key"))
        expect(re.search("2 certificates, good for (59|60) days", found["text"]), found)


# ---- the store ----

def a_store_that_cannot_be_written_is_a_fault():
    with _folder() as folder:
        _finding("store", "fail", "--store", f"sqlite:{folder}/no/chat.db")
        _finding("store", "fail", "--store", f"sqlite:{folder}")
        _finding("store", "fail", "--store", "sqlite:/proc/chat.db")
        (folder / "text").write_text("no database at all", encoding="utf-8")
        found = _finding("store", "fail", "--store", f"sqlite:{folder}/text")
        expect("is no SQLite database" in found["text"], found)
        equal(sorted(os.listdir(folder)), ["text"])


def the_store_of_a_server_that_runs_is_left_alone():
    with _folder() as folder:
        store = ("--store", f"sqlite:{folder}/chat.db")
        if "without SQLite" in wsrt("serve", *FREE, "--store", "sqlite:/nonexistent/x").stderr:
            return
        with Serve(*store, "--dev-token", "t=u") as server:
            before = sorted(os.listdir(folder))
            _finding("store", "ok", *store)
            equal(sorted(os.listdir(folder)), before)
            ping = '{"type":"ping","data":{"action":"now"}}'
            done = wsrt("connect", "--token", "t", "--send", ping, "--expect", "1", server.url)
            equal((done.returncode, server.end()), (OK, OK), done.stderr)


# ---- whom it lets in ----

def origins_that_no_browser_sends_are_faults():
    found = _finding("origin", "fail", "--allow-origin", "https://a.example/app")
    equal(found["try"], "--allow-origin https://a.example")
    _finding("origin", "warn", "--allow-origin", "*")
    _finding("origin", "ok", "--allow-origin", "https://a.example:8443")
    _finding("origin", "ok", "--allow-origin", "http://a.example")


def keys_that_cannot_be_had_are_faults():
    if "libwsrt-jwt" in wsrt("token", "make").stderr:
        return
    with _folder() as folder:
        found = _finding("jwks", "fail", "--jwks", str(folder / "none.json"))
        expect("No such file" in found["text"], found)
        (folder / "bad.json").write_text("{}", encoding="utf-8")
        _finding("jwks", "fail", "--jwks", str(folder / "bad.json"))
        wsrt("token", "make", "--sub", "u", "--key", str(folder / "k.json"))
        _finding("jwks", "ok", "--jwks", str(folder / "k.jwks.json"))
        if not _keys_come_by_address():
            return
        with socket.create_server(("127.0.0.1", 0)) as idle:
            dead = idle.getsockname()[1]
        found = _finding("jwks", "fail", "--jwks", f"http://127.0.0.1:{dead}/keys")
        expect("no keys from" in found["text"] and "curl" in found["try"], found)
        handler = type("Keys", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *a: handler(*a, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _finding("jwks", "ok", "--jwks", f"http://127.0.0.1:{server.server_port}/k.jwks.json")
        server.shutdown()
        server.server_close()


def _keys_come_by_address():
    done = wsrt("doctor", *FREE, "--jwks", "http://127.0.0.1:1/")
    return "libwsrt-aws" not in done.stdout


# ---- the service manager ----

def a_manager_that_does_not_listen_is_a_fault():
    with _folder() as folder:
        path = str(folder / "notify")
        found = _finding("systemd", "fail", env={"NOTIFY_SOCKET": path})
        expect(path in found["text"] and "unset" in found["try"], found)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            _finding("systemd", "ok", env={"NOTIFY_SOCKET": path})
            manager.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                expect(not manager.recv(100), "the manager was told something")
        _finding("systemd", "fail", env={"NOTIFY_SOCKET": "nothing"})


def a_hasty_watchdog_and_half_a_socket_are_told():
    _finding("systemd", "warn", env={"WATCHDOG_USEC": "500000"})
    _finding("systemd", "ok", env={"WATCHDOG_USEC": "30000000"})
    _finding("systemd", "fail", env={"LISTEN_FDS": "1"})
    _finding("systemd", "fail", env={"LISTEN_FDS": "x", "LISTEN_PID": "1"})
    _finding("systemd", "ok", env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})


def without_a_network_it_answers_all_the_same():
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], check=False,
                                         capture_output=True).returncode != 0:
        return
    done = subprocess.run([unshare, "-rn", WSRT, "doctor", "--format", "json", "--jwks",
                           "https://id.example.com/keys"], capture_output=True, text=True, timeout=60,
                          env=CLEAN_ENV, check=False)
    equal(done.returncode, UNMET, done.stderr)
    found = {f["check"]: f["result"] for f in json.loads(done.stdout)["checks"]}
    equal((found["jwks"], found["config"]), ("fail", "ok"))


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
