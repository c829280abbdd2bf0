"""The configuration file of `wsrt serve`: how it is read, judged, shown and described."""
import contextlib
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import jsonschema

from test_tool import _http, _Raw
from toolcase import CLEAN_ENV, WSRT, Serve, cases_of, equal, expect, main, wsrt

ROOT = pathlib.Path(__file__).resolve().parents[2]
OK, USAGE, CONFIG = 0, 2, 78
SERVE_ONLY = {"config"}  # what a file cannot hold


@contextlib.contextmanager
def _file(content):
    """The path of a configuration file."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "wsrt.json")
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        yield path


def _shown(*args, env=None):
    done = wsrt("config", "show", *args, env=env)
    equal((done.returncode, done.stderr), (OK, ""))
    return json.loads(done.stdout)


def _options():
    """The long options of serve, and those that are variables only."""
    told = wsrt("serve", "--help").stdout
    return (set(re.findall(r"^ +(?:-\w, )?--([\w-]+)", told, re.M)) - {"help"},
            {name.lower().replace("_", "-") for name in re.findall(r"\(no flag\).*\[WSRT_([A-Z_]+)", told)})


def _faults(content, *args, env=None):
    """What `config check` says of a file: one line a fault, after the file's path."""
    with _file(content) as path:
        done = wsrt("config", "check", "--config", str(path), *args, env=env)
        equal((done.returncode, done.stdout), (CONFIG, ""), done.stderr)
        lines = done.stderr.splitlines()
        expect(all(line.startswith(f"wsrt: {path}:") for line in lines), lines)
        return [line.removeprefix(f"wsrt: {path}:") for line in lines]


# ---- where values come from ----

def a_flag_wins_over_a_variable_over_the_file_over_the_default():
    with _file({"stage": "from-file", "app": "echo", "loops": 2, "host": ["a", "b"]}) as path:
        shown = _shown("--config", str(path), "--loops", "4", "--host", "d",
                       env={"WSRT_LOOPS": "3", "WSRT_APP": "dashboard", "WSRT_HOST": "c"})
        wanted = {"stage": ("from-file", "file"), "app": ("dashboard", "environment"),
                  "loops": (4, "option"), "host": (["d"], "option"), "store": ("memory", "default")}
        equal({name: (shown[name]["value"], shown[name]["source"]) for name in wanted}, wanted)


def the_file_may_be_named_by_its_variable():
    with _file({"app": "echo"}) as path:
        shown = _shown(env={"WSRT_CONFIG": str(path)})
        equal((shown["app"]["value"], shown["config"]["value"]), ("echo", str(path)))


def serve_runs_as_its_file_says():
    with _file({"$schema": "x", "listen": ["127.0.0.1:0", "127.0.0.1:0"], "app": "echo", "aws": True,
                "quiet": True}) as path, Serve("--config", str(path), listen=None) as server:
        equal((server.ready["app"], server.ready["aws"]), ("echo", True))
        equal(len(server.ready["urls"]), 2)
        equal(server.end(), OK)


def serve_does_not_start_with_a_broken_file():
    with _file('{"app":"ecko","loops":0}') as path:
        done = wsrt("serve", "--config", str(path))
        equal((done.returncode, done.stdout), (CONFIG, ""))
        equal(done.stderr.count("\n"), 2, done.stderr)


def a_secret_is_read_from_the_file_that_the_configuration_names():
    with tempfile.TemporaryDirectory() as folder:
        secret = pathlib.Path(folder, "secret")
        secret.write_text("s3cret\n", encoding="utf-8")
        with _file({"management": "bearer", "management-token-file": str(secret)}) as path:
            equal(wsrt("config", "check", "--config", str(path)).stdout, "ok\n")
            shown = _shown("--config", str(path))["management-token"]
            equal(shown, {"value": "***", "source": "file"})


# ---- check ----

def check_says_ok_of_what_serve_would_run_with():
    equal(wsrt("config", "check").stdout, "ok\n")
    with _file({"idle-timeout": "5m", "ping-timeout": 3, "max-per-ip": 0, "require-auth": False,
                "allow-origin": ["https://a.example"]}) as path:
        done = wsrt("config", "check", "--config", str(path))
        equal((done.returncode, done.stdout, done.stderr), (OK, "ok\n", ""))


def check_names_file_line_pointer_and_rule_of_every_fault():
    faults = _faults("""{
  "listen": ["127.0.0.1:0", "nowhere"],
  "idle-timeout": "1w", "loops": 99,
  "aws": "yes",
  "stage": "", "jwks": 5, "host": "a", "max-connections": "7", "lifetime": true,
  "app": "ecko", "max-per-ip": 1.5, "drain-timeout": -1,
  "admin": [7], "dev-token": ["hush"]
}""")
    equal(faults, [
        "2: /listen/1: 'nowhere' is not ADDR:PORT, [V6]:PORT or unix:PATH",
        "3: /idle-timeout: '1w' is not a duration such as 500ms, 10s or 1h",
        "3: /loops: '99' is not from 1 to 64",
        "4: /aws: is neither true nor false",
        "5: /stage: '' is not 1 to 128 letters, digits and _-",
        "5: /jwks: is not a string",
        "5: /host: is not an array of strings",
        "5: /max-connections: is not a whole number",
        '5: /lifetime: is neither a duration such as "10s" nor a number of seconds',
        "6: /app: 'ecko' is not one of chat|dashboard|echo",
        "6: /max-per-ip: is not a whole number",
        "6: /drain-timeout: is negative",
        "7: /admin/0: is not a string",
        "7: /dev-token/0: '…' is not TOKEN=USER"])


def unknown_members_are_refused_with_a_suggestion():
    equal(_faults('{"lisen":[],\n"a/b~":1,"aws":true,"aws":true,\n"config":"x"}'),
          ["1: /lisen: unknown member: did you mean listen?", "2: /a~1b~0: unknown member",
           "2: /aws: is there twice", "3: /config: a configuration file names no other"])
    equal(_faults('{"app\\u0000x":"echo"}'), ["1: /app?x: unknown member: did you mean app?"])


def secrets_are_not_kept_in_the_file():
    for name in ("management-token", "management-access-key", "management-secret-key"):
        equal(_faults({name: "hush"}),
              [f"1: /{name}: no secret is kept here: name its file by {name}-file"])
    equal(_faults({"management-token-file": "/nonexistent"}),
          ["1: /management-token-file: cannot read '/nonexistent'"])


def what_is_no_json_object_is_refused_where_it_breaks():
    equal(_faults('{"aws":true,\n\n]'), ["3: byte 14: Expected a member name"])
    equal(_faults("[]"), ["1: /: is not an object"])
    equal(_faults(' {"stage":"a\\u0000b"}'), ["1: /stage: holds a zero byte"])
    with _file(" " * (1 << 20) + "{}") as path:
        done = wsrt("config", "check", "--config", str(path))
        equal((done.returncode, done.stderr), (CONFIG, f"wsrt: {path}: is longer than 1 MiB\n"))
    done = wsrt("config", "check", "--config", "/nonexistent/wsrt.json")
    equal((done.returncode, done.stderr),
          (CONFIG, "wsrt: cannot read '/nonexistent/wsrt.json': No such file or directory\n"))


def check_names_settings_that_cannot_work_together():
    equal(_faults({"require-auth": True, "tls-key": "key.pem", "coalesce": "1s",
                   "management": "bearer"}),
          ["1: /require-auth: --require-auth without --jwks or --dev-token admits nobody",
           "1: /management: --management bearer needs a secret in WSRT_MANAGEMENT_TOKEN or in the file "
           "that WSRT_MANAGEMENT_TOKEN_FILE names",
           "1: /coalesce: --coalesce is for --app dashboard",
           "1: /tls-key: --tls-cert and --tls-key belong together"])
    equal(wsrt("config", "check", "--require-auth").returncode, CONFIG)


def what_is_out_of_range_is_told_the_range():
    for command, value, told in ((("token", "make", "--ttl"), "0", "'0' is not from 1s to 365d"),
                                 (("bench", "ws://127.0.0.1:1/", "--payload"), "1MiB",
                                  "'1MiB' is not from 24 to 128KiB"),
                                 (("serve", "--workers"), "257", "'257' is not from 0 to 256")):
        done = wsrt(*command, value)
        equal((done.returncode, done.stderr), (USAGE, f"wsrt: {command[-1]}: {told}\n"))


def check_names_what_the_server_itself_would_refuse():
    equal(_faults({"trusted-proxy": ["::1", "10.0.0.0/33"]}),
          ["1: /trusted-proxy/1: '10.0.0.0/33' has no length from 0 to 32 behind the slash"])
    equal(_faults({"admin": ["unix:" + "x" * 108]}),
          [f"1: /admin/0: 'unix:{'x' * 108}' has a path of more than 107 bytes"])
    for name, value in (("stage", "x" * 129), ("host", ["x" * 1025]),
                        ("route-expr", "$nonsense")):
        (fault,) = _faults({name: value})
        expect(fault.startswith(f"1: /{name}: "), fault)
        with _file({name: value}) as path:
            equal(wsrt("serve", "--listen", "127.0.0.1:0", "--config", str(path)).returncode, CONFIG)


def route_expr_selects_the_route():
    ping = '{"kind":"ping","type":"ping","data":{"action":"now"}}'
    for expression, answered in (("$request.body.kind", True), ("$request.body.data.action", False)):
        with Serve("--route-expr", expression) as server:
            done = wsrt("connect", "--send", ping, "--expect", "1", server.url)
            equal('"type":"pong"' in done.stdout, answered, done.stdout)


def check_reads_the_breakers_too():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "breakers.json")
        path.write_text('{"defaults":{"failureThreshold":0}}', encoding="utf-8")
        done = wsrt("config", "check", "--breakers", str(path))
        equal(done.returncode, CONFIG)
        expect(str(path) in done.stderr and "/defaults/failureThreshold" in done.stderr, done.stderr)


def check_judges_variables_and_options_too():
    done = wsrt("config", "check", env={"WSRT_APP": "ecko"})
    equal((done.returncode, done.stdout), (CONFIG, ""))
    expect("WSRT_APP: 'ecko'" in done.stderr, done.stderr)
    done = wsrt("config", "guess")
    equal((done.returncode, done.stderr), (USAGE, "wsrt: config: 'guess' is neither check nor show\n"))


def the_files_in_the_documents_are_such():
    for name, pattern in (("server.md", r"## Configuration.*?```json\n(.*?)```"),
                          ("man/wsrt-config.5", r"\.Bd -literal[^\n]*\n(.*?)\.Ed")):
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        with _file(re.search(pattern, text, re.S)[1]) as path:
            done = wsrt("config", "check", "--config", str(path))
            equal((done.stdout, done.stderr), ("ok\n", ""))


def the_file_of_every_release_is_taken():
    folders = sorted((ROOT / "tests" / "fixtures").glob("[0-9]*"))
    expect(folders, "no fixtures")
    for folder in folders:
        text = (folder / "serve.json").read_text(encoding="utf-8")
        with _file(text.replace("breakers.json", str(folder / "breakers.json"))) as path:
            done = wsrt("config", "check", "--config", str(path))
            equal((done.stdout, done.stderr), ("ok\n", ""))
            shown = _shown("--config", str(path))
            for name in json.loads(text).keys() - {"$schema"}:
                equal(shown[name]["source"], "file", name)


# ---- show ----

def show_tells_every_option_of_serve_and_no_other():
    flags, variables = _options()
    equal(set(_shown()), flags | variables)


def show_tells_the_place_of_each_value_when_asked():
    with _file('{\n"stage":"x",\n"loops":2}') as path:
        shown = _shown("--config", str(path), "--origin", "--aws", env={"WSRT_LOOPS": "3"})
        equal({name: shown[name]["place"] for name in ("stage", "loops", "aws", "app")},
              {"stage": f"{path}:2", "loops": "WSRT_LOOPS", "aws": "--aws", "app": None})
        equal(set(_shown()["app"]), {"value", "source"})


def what_is_shown_can_be_given_again():
    given = {"idle-timeout": "90s", "lifetime": "0s", "ping-interval": "1500ms", "max-per-ip": 0,
             "workers": 0, "loops": 2, "drain-timeout": "1d", "admin": ["127.0.0.1:0"], "quiet": True}
    with _file(given) as path:
        shown = {name: row["value"] for name, row in _shown("--config", str(path)).items()
                 if row["source"] == "file"}
        equal(shown, given)
    equal(_shown()["workers"]["value"], None)


def no_secret_is_ever_shown():
    canary = "t0k" + secrets.token_hex(8)
    with tempfile.TemporaryDirectory() as folder:
        secret = pathlib.Path(folder, "secret")
        secret.write_text(canary, encoding="utf-8")
        table = [(("--dev-token", f"{canary}=ali"), {}),
                 (("--management", "bearer"), {"WSRT_MANAGEMENT_TOKEN": canary}),
                 (("--management", "bearer"), {"WSRT_MANAGEMENT_TOKEN_FILE": str(secret)}),
                 (("--management", "sigv4"), {"WSRT_MANAGEMENT_ACCESS_KEY": canary,
                                              "WSRT_MANAGEMENT_SECRET_KEY": canary}),
                 (("--dev-token", canary), {})]
        for args, env in table:
            for action in ("check", "show"):
                done = wsrt("config", action, "--origin", *args, env=env)
                expect(canary not in done.stdout + done.stderr, done.stdout + done.stderr)


# ---- HUP ----

class _Reloading:
    """A server whose file can be written anew."""

    def __init__(self, content, *args):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name, "wsrt.json")
        self.path.write_text(json.dumps(content), encoding="utf-8")
        self.server = Serve("--app", "echo", "--config", str(self.path), *args)
        self.port = self.server.port

    def reload(self, content, event="reload.taken"):
        """Writes it, and returns what the log says up to the event."""
        before = len(self.server.log)
        text = content if isinstance(content, str) else json.dumps(content)
        self.path.write_text(text, encoding="utf-8")
        self.server.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while not any(event in line for line in self.server.log[before:]):
            expect(time.monotonic() < until, f"no {event}", self.server.log[before:])
            time.sleep(0.01)
        return [json.loads(line) for line in self.server.log[before:]]

    def refused(self, content):
        """Writes something broken: the faults that are logged."""
        count = self.count("refused")
        told = self.reload(content, "reload.refused")
        equal(self.count("refused"), count + 1)
        equal(told[-1]["file"], str(self.path))
        return [line["fault"] for line in told if line["event"] == "reload.fault"]

    def count(self, result):
        metrics = _http(self.port, "/metrics")[1]
        return int(re.search(rf'wsrt_reloads_total{{result="{result}"}} (\d+)', metrics)[1])

    def connects(self, **headers):
        with _Raw(self.port, **headers) as client:
            return client.status

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.server.__exit__(kind, value, trace)
        self.folder.cleanup()


def _echoes(client):
    client.send(1, b"still here")
    equal(client.frame(), (1, b"still here"))


def hup_takes_other_limits_without_losing_a_connection():
    with _Reloading({"max-connections": 1}) as it, _Raw(it.port) as client:
        equal(it.connects(), 503)
        it.reload({"max-connections": 2})
        equal(it.connects(), 101)
        _echoes(client)
        it.reload({"max-connections": 1})
        _echoes(client)
        equal(it.count("ok"), 2)
        it.reload({"max-connections": 1, "idle-timeout": "200ms"})
        equal(client.close_frame()[0], 1001)


def hup_takes_other_origins_without_losing_a_connection():
    site = {"Origin": "https://a.example"}
    with _Reloading({}) as it, _Raw(it.port) as client:
        equal(it.connects(**site), 403)
        it.reload({"allow-origin": ["https://a.example"], "host": ["b.example"]})
        equal((it.connects(**site), it.connects(Host="b.example")), (101, 101))
        it.reload({})
        equal((it.connects(**site), it.connects(Host="b.example")), (403, 421))
        _echoes(client)


def hup_takes_another_certificate_without_losing_a_connection():
    def serial(port):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
            with trust.wrap_socket(plain, server_hostname="localhost") as peer:
                return peer.getpeercert()["serialNumber"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([ROOT / "tests" / "support" / "test-ca", folder], check=True, capture_output=True)
        trust = ssl.create_default_context(cafile=f"{folder}/ca.pem")
        files = [{"tls-cert": f"{folder}/{a}.pem", "tls-key": f"{folder}/{b}.key"}
                 for a, b in (("server", "server"), ("second", "second"), ("server", "second"))]
        done = wsrt("serve", "--listen", "127.0.0.1:0", "--tls-cert", "a", "--tls-key", "b")
        if "no TLS" in done.stderr:
            return
        with _Reloading({**files[0]}, "--listen", f"unix:{folder}/s") as it:
            with subprocess.Popen([WSRT, "connect", "--cacert", f"{folder}/ca.pem", "--linger", "20s",
                                   it.server.url.replace("127.0.0.1", "localhost")], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=CLEAN_ENV) as open_one:
                say = lambda: (print("x", file=open_one.stdin, flush=True), open_one.stdout.readline())[1]
                equal(say(), "x\n")
                first = serial(it.port)
                it.reload(files[1])
                second = serial(it.port)
                expect(second != first, "the same certificate")
                it.reload(files[2], "reload.refused")
                equal(serial(it.port), second)
                equal(say(), "x\n")
                open_one.kill()


def hup_takes_other_breakers_and_log_levels():
    with _Reloading({"log-level": "error"}) as it, _Raw(it.port) as client:
        equal(client.status, 101)
        breakers = it.path.with_name("breakers.json")
        breakers.write_text('{"services":{"dynamodb":{"failureThreshold":77}}}', encoding="utf-8")
        it.reload({"log-level": "info"}, "reload.taken")
        it.reload({"log-level": "info", "breakers": str(breakers)})
        expect('"failureThreshold":77' in _http(it.port, "/api/breakers")[1], _http(it.port, "/api/breakers"))


def a_broken_file_changes_nothing_is_counted_and_says_where():
    with _Reloading({"max-connections": 1}) as it, _Raw(it.port) as client:
        breakers = it.path.with_name("breakers.json")
        breakers.write_text('{"defaults":{"failureThreshold":0}}', encoding="utf-8")
        table = [('{"max-connections":2', ":1: byte 20: "), ({"max-connections": 2, "lops": 1}, "/lops"),
                 ({"max-connections": 2, "idle-timeout": "soon"}, "/idle-timeout"),
                 ({"max-connections": 2, "require-auth": True}, "/require-auth"),
                 ({"max-connections": 2, "breakers": str(breakers)}, "/defaults/failureThreshold"),
                 ({"max-connections": 2, "breakers": "/nonexistent"}, "/nonexistent"),
                 ({"max-connections": 2, "host": ["x" * 1025]}, ":1: /host: "),
                 ("[]", "is not an object")]
        for content, place in table:
            (fault,) = it.refused(content)
            expect(place in fault, fault)
            equal(it.connects(), 503, content)
        it.path.unlink()
        it.server.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while it.count("refused") < len(table) + 1 and time.monotonic() < until:
            time.sleep(0.01)
        equal((it.count("refused"), it.count("ok"), it.connects()), (len(table) + 1, 0, 503))
        _echoes(client)


def what_waits_for_a_new_start_is_named_at_hup():
    with _Reloading({}) as it:
        told = it.reload({"loops": 2, "stage": "x", "store": "sqlite:/nonexistent/x", "max-per-ip": 7})
        equal([line["option"] for line in told if line["event"] == "reload.needs_restart"],
              ["store", "stage", "loops"])
        equal([line for line in told if line["event"] == "server.restart_needed"], [])
        told = it.reload({})
        equal([line for line in told if line["event"] == "reload.needs_restart"], [])


def help_tells_which_options_hup_takes():
    rows = re.findall(r"--([\w-]+).*?(; again at HUP)?(?: \([^()]*\))? \[WSRT", wsrt("serve", "--help").stdout)
    live = {name for name, again in rows if again}
    expect({"allow-origin", "max-per-ip", "tls-cert", "breakers"} <= live, live)
    changed = {"loops": 2, "workers": 2, "stage": "x", "store": "sqlite:/nonexistent/x", "admin": ["127.0.0.1:0"],
               "developer-errors": True, "no-rate-limit": True, "insecure": True, "log-format": "json",
               "dev-token": ["t=u"], "require-auth": True, "aws": True,
               "host": ["x"], "allow-origin": ["https://x"], "trusted-proxy": ["10.0.0.1"], "max-per-ip": 3,
               "max-connections": 99, "idle-timeout": 9, "lifetime": 9, "ping-interval": 9, "ping-timeout": 9,
               "slow-policy": "conflate", "drain-timeout": 9, "management": "off", "log-level": "debug",
               "verbose": True}
    with _Reloading({}) as it:
        told = it.reload(changed)
        waits = {line["option"] for line in told if line["event"] == "reload.needs_restart"}
        equal(waits, set(changed) - live)


# ---- the schema ----

def _schema():
    done = wsrt("export", "config-schema")
    equal((done.returncode, done.stderr), (OK, ""))
    return json.loads(done.stdout)


def the_schema_has_the_options_of_serve_and_no_other():
    flags, variables = _options()
    wanted = (flags - SERVE_ONLY) | {f"{name}-file" for name in variables} | {"$schema"}
    equal(set(_schema()["properties"]), wanted)


def the_schema_and_the_reader_agree():
    validator = jsonschema.Draft202012Validator(_schema())
    table = [({}, True), ({"app": "echo"}, True), ({"app": "ecko"}, False), ({"aws": 1}, False),
             ({"loops": 64}, True), ({"loops": 65}, False), ({"loops": "2"}, False),
             ({"loops": 2.0}, True), ({"loops": 2.5}, False), ({"idle-timeout": "10s"}, True),
             ({"idle-timeout": 10}, True), ({"idle-timeout": "10 s"}, False),
             ({"idle-timeout": -1}, False), ({"idle-timeout": None}, False), ({"host": ["a"]}, True),
             ({"host": "a"}, False), ({"host": [1]}, False), ({"host": ["a"] * 65}, False),
             ({"lisen": []}, False), ({"management-token": "x"}, False), ({"$schema": "x"}, True)]
    for document, good in table:
        equal(validator.is_valid(document), good, document)
        with _file(document) as path:
            equal(wsrt("config", "check", "--config", str(path)).returncode, OK if good else CONFIG,
                  document)


def our_own_validator_takes_the_schema():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "schema.json")
        equal(wsrt("export", "config-schema", "--output", path).returncode, OK)
        for line, status in (('{"app":"echo","loops":3}', OK), ('{"app":"echo","loops":0}', 1)):
            done = wsrt("validate", "--strict", "--schema", path, stdin=line)
            equal(done.returncode, status, done.stdout + done.stderr)


def every_default_of_the_schema_is_a_value_that_it_allows():
    schema = _schema()
    for name, row in schema["properties"].items():
        if "default" in row:
            jsonschema.Draft202012Validator(row).validate(row["default"])
            equal(_shown()[name]["value"], row["default"], name)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
