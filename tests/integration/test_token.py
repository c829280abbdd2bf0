"""Tokens as a user meets them: wsrt token make and check, and wsrt serve --jwks."""
import base64
import contextlib
import http.server
import json
import os
import pathlib
import stat
import sys
import tempfile
import threading
import time

from test_tool import _complains, _Raw
from toolcase import Serve, cases_of, equal, expect, main, wsrt

OK, UNMET, USAGE, UNAVAILABLE, NO_CREATE, REFUSED, CONFIG = 0, 1, 2, 69, 73, 77, 78
PING = '{"type":"ping","data":{"action":"now"}}'
NAMED = ("--issuer", "https://me.example", "--audience", "app")


@contextlib.contextmanager
def _folder():
    with tempfile.TemporaryDirectory() as name:
        yield pathlib.Path(name)


def _make(folder, *args, sub="u1"):
    """A token by the key of a folder."""
    done = wsrt("token", "make", "--sub", sub, "--key", str(folder / "k.json"), *args)
    equal(done.returncode, OK, done.stderr)
    return done.stdout.strip()


def _claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _ping(server, *args):
    return wsrt("connect", "--send", PING, "--expect", "1", *args, server.url)


# ---- token make ----

def make_prints_the_token_alone_and_tells_how_to_serve():
    with _folder() as folder:
        done = wsrt("token", "make", "--sub", "u1", "--key", str(folder / "k.json"), *NAMED)
        equal((done.returncode, done.stdout.count("\n"), done.stdout.count(".")), (OK, 1, 2))
        equal(done.stderr, f"wsrt serve --jwks {folder}/k.jwks.json {' '.join(NAMED)} "
                           "--require-auth\n")


def make_creates_a_key_for_nobody_else_and_the_set_beside_it():
    with _folder() as folder:
        _make(folder)
        equal(sorted(p.name for p in folder.iterdir()), ["k.json", "k.jwks.json"])
        equal(stat.S_IMODE(os.stat(folder / "k.json").st_mode), 0o600)
        private = json.loads((folder / "k.json").read_text())
        (public,) = json.loads((folder / "k.jwks.json").read_text())["keys"]
        expect("d" in private and "d" not in public)
        equal({k: v for k, v in private.items() if k != "d"}, public)


def make_never_overwrites_a_key_or_a_set():
    with _folder() as folder:
        _make(folder)
        before = {p.name: p.read_bytes() for p in folder.iterdir()}
        _make(folder)
        equal({p.name: p.read_bytes() for p in folder.iterdir()}, before)
        (folder / "k.json").unlink()
        _complains(wsrt("token", "make", "--sub", "u", "--key", str(folder / "k.json")), NO_CREATE,
                   "is of another key")
        equal([p.name for p in folder.iterdir()], ["k.jwks.json"])


def make_writes_what_it_was_told():
    with _folder() as folder:
        token = _make(folder, "--issuer", "me", "--audience", "a", "--audience", "b", "--ttl", "2m",
                      "--claim", "level=5", "--claim", "name=a b", "--claim", 'groups=["x"]')
        claims = _claims(token)
        equal(claims["exp"] - claims["iat"], 120)
        expect(abs(claims["iat"] - time.time()) < 60, claims)
        del claims["exp"], claims["iat"]
        equal(claims, {"iss": "me", "sub": "u1", "aud": ["a", "b"], "level": 5, "name": "a b",
                       "groups": ["x"]})
        equal(_claims(_make(folder, "--audience", "a"))["aud"], "a")


def make_knows_two_algorithms_and_a_key_keeps_its_own():
    with _folder() as folder:
        token = _make(folder, "--alg", "RS256")
        equal(json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["alg"], "RS256")
        done = wsrt("token", "check", "--jwks", str(folder / "k.jwks.json"), token)
        equal(done.returncode, OK, done.stderr)
        _complains(wsrt("token", "make", "--sub", "u", "--key", str(folder / "k.json"), "--alg",
                        "ES256"), CONFIG, "is for RS256")


def make_tells_more_as_json():
    with _folder() as folder:
        told = json.loads(_make(folder, "--format", "json"))
        equal(sorted(told), ["expires_at", "kid", "token"])
        equal(told["expires_at"], _claims(told["token"])["exp"])


def make_refuses_what_makes_no_token():
    with _folder() as folder:
        key = ("--key", str(folder / "k.json"))
        _complains(wsrt("token", "make", *key), USAGE, "--sub")
        _complains(wsrt("token", "make", *key, "--sub", ""), USAGE, "--sub")
        _complains(wsrt("token", "make", *key, "--sub", "u", "--claim", "x"), USAGE, "--claim")
        for name in ("iss", "sub", "aud", "exp", "iat"):
            _complains(wsrt("token", "make", *key, "--sub", "u", "--claim", f"{name}=1"), USAGE,
                       name)
        _complains(wsrt("token", "make", *key, "--sub", "u", "--claim", "a=1", "--claim", "a=2"),
                   USAGE, "twice")
        for claim in ("a=\udcff", "\udcff=1"):
            _complains(wsrt("token", "make", *key, "--sub", "u", "--claim", claim), USAGE, "UTF-8")
        _complains(wsrt("token", "make", *key, "--sub", "\udcff"), USAGE, "UTF-8")
        _complains(wsrt("token", "make", *key, "--sub", "u", "--alg", "none"), USAGE, "--alg")
        _complains(wsrt("token", "make", *key, "--sub", "u", "more"), USAGE, "operand")
        _complains(wsrt("token", "burn"), USAGE, "burn")
        _complains(wsrt("token"), USAGE, "token needs")
        equal(list(folder.iterdir()), [])
        (folder / "k.json").write_text('{"kty":"EC"}')
        _complains(wsrt("token", "make", *key, "--sub", "u"), CONFIG, "is no key to sign with")
        _complains(wsrt("token", "make", "--key", str(folder / "no" / "k.json"), "--sub", "u"),
                   NO_CREATE, "cannot create")


# ---- token check ----

def check_prints_the_claims_of_a_good_token():
    with _folder() as folder:
        token = _make(folder, *NAMED)
        for args, stdin in (((token,), ""), ((), token + "\n")):
            done = wsrt("token", "check", "--key", str(folder / "k.json"), *NAMED, *args,
                        stdin=stdin)
            equal((done.returncode, done.stderr), (OK, ""))
            equal(json.loads(done.stdout), _claims(token))


def check_says_why_a_token_is_refused():
    with _folder() as folder, _folder() as other:
        jwks = ("--jwks", str(folder / "k.jwks.json"))
        token = _make(folder, *NAMED)
        swapped = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BAAA")
        for args, why in (((swapped,), "signature"), ((token + ".",), "parts"),
                          (("--issuer", "you", token), "iss"),
                          (("--audience", "you", token), "aud"), ((_make(other),), "kid"), ((), "")):
            _complains(wsrt("token", "check", *jwks, *args), UNMET, why)
        short = _make(folder, "--ttl", "1s")
        time.sleep(max(0.0, _claims(short)["exp"] - time.time()))
        _complains(wsrt("token", "check", *jwks, short), UNMET, "expired")


def a_key_set_that_cannot_be_used_is_a_configuration_error():
    with _folder() as folder:
        _make(folder)
        for path, why in ((folder / "none.json", "No such file"),
                          (folder / "k.json", "no array of keys"),
                          ("http://example.com/jwks.json", "neither https nor http to this")):
            _complains(wsrt("token", "check", "--jwks", str(path), "x"), CONFIG, why)
            _complains(wsrt("serve", "--jwks", str(path)), CONFIG, why)
        private = '{"keys":[' + (folder / "k.json").read_text() + "]}"
        (folder / "p.json").write_text(private)
        _complains(wsrt("serve", "--jwks", str(folder / "p.json")), CONFIG, "a private key")


# ---- serve --jwks ----

@contextlib.contextmanager
def _serving(*args, make=(), **more):
    with _folder() as folder:
        token = _make(folder, *NAMED, *make)
        with Serve("--jwks", str(folder / "k.jwks.json"), *NAMED, *args, **more) as server:
            server.folder = folder
            yield server, token
            equal(server.end(), OK)
            lines = "".join(server.log)
            for part in token.split(".")[1:]:
                expect(part not in lines, "a token in the log")


def require_auth_lets_in_who_brings_a_token_of_the_key_issuer_and_audience():
    with _serving("--require-auth") as (server, token):
        _complains(_ping(server), REFUSED, "401")
        _complains(_ping(server, "--token", token[:-3] + "AAA"), REFUSED, "401")
        _complains(_ping(server, "--token", _make(server.folder)), REFUSED, "401")
        with _folder() as other:
            _complains(_ping(server, "--token", _make(other, *NAMED)), REFUSED, "401")
        done = _ping(server, "--token", token)
        equal((done.returncode, json.loads(done.stdout)["type"]), (OK, "pong"), done.stderr)


def a_token_comes_by_header_by_subprotocol_or_by_query_and_by_one_of_them():
    with _serving("--require-auth") as (server, token):
        ways = [("/", {"Authorization": f"Bearer {token}"}), (f"/?token={token}", {}),
                ("/", {"Sec_WebSocket_Protocol": f"wsrt.bearer, {token}"})]
        for path, headers in ways:
            with _Raw(server.port, path, **headers) as client:
                equal(client.status, 101)
        for path, headers in ((ways[1][0], ways[0][1]), (ways[1][0], ways[2][1]),
                              ("/", {**ways[0][1], **ways[2][1]})):
            with _Raw(server.port, path, **headers) as client:
                equal(client.status, 400)


def without_require_auth_a_token_may_come_in_band_and_a_bad_one_is_refused():
    with _serving() as (server, token):
        auth = json.dumps({"type": "auth", "data": {"action": "login", "token": token}})
        say = '{"type":"message","data":{"action":"say","message":"hi"}}'
        done = wsrt("connect", "--send", say, "--send", auth, "--expect", "2", server.url)
        first, second = (json.loads(line) for line in done.stdout.splitlines())
        expect("UNAUTHENTICATED_CONNECTION" in json.dumps(first), first)
        expect("authenticated" in json.dumps(second) and "u1" in json.dumps(second), second)
        _complains(_ping(server, "--token", "nonsense"), REFUSED, "401")


def who_does_not_sign_in_within_ten_seconds_is_closed_with_4401():
    with _serving() as (server, _), _Raw(server.port) as client:
        start = time.monotonic()
        client.socket.settimeout(20)
        equal(client.close_frame(), (4401, "nobody signed in"))
        expect(9.5 < time.monotonic() - start < 12, "not after ten seconds")


def a_token_that_ends_ends_the_membership():
    with _serving(make=("--ttl", "2s")) as (server, token):
        with _Raw(server.port, "/", Authorization=f"Bearer {token}") as client:
            equal(client.status, 101)
            time.sleep(max(0.0, _claims(token)["exp"] + 0.05 - time.time()))
            client.send(1, b'{"type":"message","data":{"action":"say","message":"hi"}}')
            equal(client.file.read(2), b"\x81\x7e", "a text of 126 bytes and more")
            said = client.file.read(int.from_bytes(client.file.read(2), "big")).decode()
            expect("TOKEN_EXPIRED" in said, said)
        with _Raw(server.port, "/", Authorization=f"Bearer {token}") as client:
            equal(client.status, 401)


def a_reissued_key_is_read_from_the_file():
    with _serving("--require-auth") as (server, token):
        for name in ("k.json", "k.jwks.json"):
            (server.folder / name).unlink()
        fresh = _make(server.folder, *NAMED)
        equal(_ping(server, "--token", token).returncode, OK)
        # the set was read at the start; it is read again at most once a second
        deadline = time.monotonic() + 15
        while _ping(server, "--token", fresh).returncode != OK:
            expect(time.monotonic() < deadline, "the new key is never read")
            time.sleep(0.5)
        _complains(_ping(server, "--token", token), REFUSED, "401")


# ---- keys behind an address ----

class _KeyServer(http.server.ThreadingHTTPServer):
    """Gives out a file, counts, and fails or stalls when told."""
    daemon_threads = True

    def __init__(self, path):
        super().__init__(("127.0.0.1", 0), _Keys)
        self.path, self.asked, self.status = path, 0, 200
        self.go = threading.Event()
        self.go.set()
        self.url = f"http://127.0.0.1:{self.server_port}/jwks.json"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *args):
        self.go.set()
        self.shutdown()
        super().__exit__(*args)


class _Keys(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        self.server.asked += 1
        body = self.server.path.read_bytes()
        self.server.go.wait(30)
        with contextlib.suppress(OSError):  # who asked may have given up
            self.send_response(self.server.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


def keys_come_from_an_address_that_the_environment_names():
    with _folder() as folder:
        token = _make(folder, *NAMED)
        with _KeyServer(folder / "k.jwks.json") as keys:
            with Serve(*NAMED, "--require-auth", env={"WSRT_JWKS": keys.url}) as server:
                for _ in range(3):
                    equal(_ping(server, "--token", token).returncode, OK)
                _complains(_ping(server, "--token", token[:-3] + "AAA"), REFUSED, "401")
            equal(keys.asked, 1)
            done = wsrt("token", "check", "--jwks", keys.url, *NAMED, token)
            equal((done.returncode, json.loads(done.stdout)), (OK, _claims(token)), done.stderr)
            keys.status = 500
            _complains(wsrt("token", "check", "--jwks", keys.url, token), UNAVAILABLE, "no keys")


def a_server_that_is_up_before_its_key_server_lets_nobody_in():
    with _folder() as folder:
        token = _make(folder, *NAMED)
        with _KeyServer(folder / "k.jwks.json") as keys:
            keys.status = 500
            with Serve("--jwks", keys.url, *NAMED, "--require-auth") as server:
                _complains(_ping(server, "--token", token), UNAVAILABLE, "500")
                equal(server.end(), OK)
                expect("jwt.keys_unavailable" in "".join(server.log), server.log)


def a_key_server_that_stalls_holds_nobody_up_and_a_new_key_is_taken_when_it_comes():
    with _folder() as folder, _folder() as other:
        token, fresh = _make(folder, *NAMED), _make(other, *NAMED)
        with _KeyServer(folder / "k.jwks.json") as keys:
            with Serve("--jwks", keys.url, *NAMED, "--require-auth") as server:
                _complains(_ping(server, "--token", fresh), REFUSED, "401")
                keys.go.clear()
                keys.path = other / "k.jwks.json"
                deadline = time.monotonic() + 30  # a set ten seconds old is asked for again
                while "500" not in _ping(server, "--token", fresh).stderr:
                    expect(time.monotonic() < deadline, "the new key is never asked for")
                    time.sleep(0.2)
                start = time.monotonic()
                equal(_ping(server, "--token", token).returncode, OK)
                expect(time.monotonic() - start < 4, "the loop waits for the key server")
                keys.go.set()
                while _ping(server, "--token", fresh).returncode != OK:
                    expect(time.monotonic() < deadline, "the new key is never taken")
                    time.sleep(0.2)
                equal(keys.asked, 2)


def a_bind_beyond_loopback_needs_keys_issuer_and_audience():
    with _folder() as folder:
        _make(folder)
        jwks = ("--jwks", str(folder / "k.jwks.json"))
        for args in (jwks, (*jwks, *NAMED[:2]), (*jwks, *NAMED[2:])):
            done = wsrt("serve", "--listen", "0.0.0.0:0", *args)
            equal((done.returncode, done.stdout, done.stderr.count("\n")), (CONFIG, "", 3))
            expect("--issuer" in done.stderr and "--insecure" in done.stderr, done.stderr)
    with _serving(listen="0.0.0.0:0"):
        pass


def rules_without_keys_are_configuration_errors():
    _complains(wsrt("serve", "--issuer", "me"), CONFIG, "need --jwks")
    _complains(wsrt("serve", "--audience", "me"), CONFIG, "need --jwks")
    _complains(wsrt("serve", "--jwks", "k", "--dev-token", "t=u"), CONFIG, "exclude")


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
