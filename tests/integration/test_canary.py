"""Random secrets in every input of a server that logs all it can; none comes out again, in any spelling."""
import base64
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import urllib.parse

from toolcase import CLEAN_ENV, WSRT, Serve, cases_of, equal, expect, main, wsrt

BASE = ["--issuer", "https://me.example", "--audience", "app"]


def _spellings(secret):
    """How it could be written: as it is, base64 at any offset, hex, and as part of a URL."""
    raw = secret.encode()
    yield secret
    yield raw.hex()
    yield raw.hex().upper()
    yield urllib.parse.quote(secret, safe="")
    yield "".join(f"%{b:02x}" for b in raw)
    for lead in range(3):  # the middle of it, which no neighbour changes
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * lead + raw).decode()[4:-4]


def _found(outputs, canaries):
    """Where which secret is seen: [(name of the output, name of the secret)]"""
    return [(where, name) for where, text in outputs.items() for name, secret in canaries.items()
            if any(spelling in text for spelling in _spellings(secret))]


def _is_whole(answer):
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end and length) and len(body) >= int(length[1])


def _ask(port, request):
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(request.encode())
        while not _is_whole(answer) and (part := s.recv(65536)):
            answer += part
    return answer.decode(errors="replace")


def _get(port, path, *fields):
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *fields, "", ""]
    return _ask(port, "\r\n".join(lines))


def _upgrade(path, *fields):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: Upgrade",
                        "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *fields, "", ""])


class _World:
    """A server that asks for tokens, the secrets it was told, and all that it said."""

    def __init__(self, place, *args):
        made = subprocess.run([WSRT, "token", "make", "--sub", "ann", *BASE], cwd=place, check=True,
                              capture_output=True, text=True, env=CLEAN_ENV)
        self.token = made.stdout.strip()
        self.canaries = {"a good token": self.token.rsplit(".", 1)[1]}
        self.outputs = {}
        self.server = Serve("--jwks", os.path.join(place, "wsrt-dev.jwks.json"), *BASE,
                            "--management", "bearer", "--log-level", "trace", *args,
                            env={"WSRT_MANAGEMENT_TOKEN": self.canary("the management token")})

    def canary(self, name):
        self.canaries[name] = secrets.token_hex(16) + "x" + secrets.token_hex(8)
        return self.canaries[name]

    def say(self, name, *messages, token=None):
        env = {"WSRT_TOKEN": token} if token else {}
        done = wsrt("connect", self.server.url, "--expect", str(len(messages)),
                    *(w for m in messages for w in ("--send", m)), env=env, timeout=20)
        self.outputs[name] = done.stdout
        return done.stdout

    def end(self):
        equal(self.server.end(), 0)
        self.outputs["the log"] = "".join(self.server.log)
        self.outputs["standard output"] = json.dumps(self.server.ready) + self.server.rest


def _tell_it_secrets(w):
    port, canary, out = w.server.port, w.canary, w.outputs
    bad = [f"{w.token.rsplit('.', 1)[0]}.{canary('a bad signature')}", canary("a token that is none")]
    for i, token in enumerate(bad):
        out[f"an upgrade with token {i}"] = _ask(port, _upgrade("/", f"Authorization: Bearer {token}"))
        out[f"a protocol of token {i}"] = _ask(
            port, _upgrade("/", f"Sec-WebSocket-Protocol: wsrt.bearer, {token}"))
        out[f"a query of token {i}"] = _ask(port, _upgrade(f"/?token={token}"))
    out["basic"] = _get(port, "/metrics", "Authorization: Basic " + canary("basic credentials"))
    out["a cookie"] = _get(port, "/nowhere", "Cookie: session=" + canary("a cookie"))
    out["a query"] = _get(port, "/metrics?token=" + canary("a token in a query"))
    out["wrong management"] = _get(port, "/api/state",
                                   "Authorization: Bearer " + canary("a wrong management token"))
    out["a broken request"] = _ask(port, f"GET / HTTP/1.1\r\nAuthorization: {canary('a broken head')}\n\n")
    w.say("messages", json.dumps({"type": "auth", "data": {"action": "login",
                                                           "token": canary("a token in band")}}),
          json.dumps({"type": "auth", "data": {"action": "login", "token": [canary("an odd token")]}}),
          '{"type":"auth","token":"' + canary("half a message"), token=w.token)
    for path in ("/metrics", "/api/state", "/api/breakers"):
        out[path] = _get(port, path, f"Authorization: Bearer {w.canaries['the management token']}")
        expect(" 200 " in out[path].split("\r\n", 1)[0], path, out[path][:200])


def no_secret_comes_out_of_a_server():
    with tempfile.TemporaryDirectory() as place:
        w = _World(place)
        with w.server:
            _tell_it_secrets(w)
            w.end()
        expect(len(w.canaries) >= 12, w.canaries)
        expect("connect" in w.outputs["the log"], "a log that says nothing proves nothing")
        equal(_found(w.outputs, w.canaries), [])


def no_secret_comes_out_for_developers():
    with tempfile.TemporaryDirectory() as place:
        w = _World(place, "--developer-errors")
        with w.server:
            _tell_it_secrets(w)
            w.end()
        equal(_found(w.outputs, w.canaries), [])


def what_is_no_secret_is_found_in_the_same_outputs():
    """The control: a name that the server may tell is seen by the same search."""
    with tempfile.TemporaryDirectory() as place:
        w = _World(place)
        with w.server:
            asked = "corr-" + secrets.token_hex(16)
            w.say("messages", json.dumps({"type": "ping", "data": {"action": "now"},
                                          "correlationId": asked}), token=w.token)
            w.end()
        expect("messages" in {where for where, _ in _found(w.outputs, {"its id": asked})}, w.outputs)


def every_spelling_is_found():
    secret = secrets.token_hex(16) + "x" + secrets.token_hex(8)
    raw = secret.encode()
    spelled = {"raw": secret, "hex": raw.hex(), "base64": base64.b64encode(b"ab" + raw + b"cd").decode(),
               "percent": "".join(f"%{b:02x}" for b in raw)}
    equal([where for where, _ in _found(spelled, {"it": secret})], list(spelled))
    equal(_found({"another": secrets.token_hex(64)}, {"it": secret}), [])


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
