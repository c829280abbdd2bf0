"""authorizer-url-lambda as a process: its keys come from a server of this test's own."""
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading

from lambdacase import Run, authorize, keys
from toolcase import cases_of, equal, expect, main

FUNCTION = "authorizer-url-lambda"


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        status, body = self.server.answers[min(len(self.server.asked), len(self.server.answers)) - 1]
        self.send_response(status)
        self.send_header("Cache-Control", "max-age=0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class KeyServer:
    """Gives its answers in turn, and the last one again and again."""

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.asked, self.server.answers = [], [(404, b"")]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.asked = self.server.asked
        return self

    def speak_tls(self, folder):
        """From now on, with a certificate for localhost by an authority in `folder`/ca.pem."""
        test_ca = pathlib.Path(__file__).resolve().parent.parent / "support" / "test-ca"
        subprocess.run([test_ca, folder], check=True, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"

    def will_answer(self, *answers):
        self.server.answers = list(answers)

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def _good(folder):
    return 200, pathlib.Path(folder, "k.jwks.json").read_bytes()


def _texts(run):
    return [body.get("principalId") or body.get("errorMessage") for _, body in run.results]


def a_token_is_judged_by_keys_behind_a_url():
    with tempfile.TemporaryDirectory() as folder, KeyServer() as server:
        token, env = keys(folder)
        server.will_answer(_good(folder))
        run = Run(FUNCTION, authorize(token), authorize(token[:-6] + "AAAAAA"),
                  **{**env, "WSRT_JWKS": server.url + "/keys"})
        equal(_texts(run), ["user-7", "Unauthorized"], run.err)
        equal(set(server.asked), {"/keys"})


def without_a_url_the_issuers_own_is_asked():
    with tempfile.TemporaryDirectory() as folder, KeyServer() as server:
        token, env = keys(folder, server.url + "/pool")
        server.will_answer(_good(folder))
        for named in ({}, {"WSRT_JWKS": ""}):
            rest = {k: v for k, v in env.items() if k != "WSRT_JWKS"}
            run = Run(FUNCTION, authorize(token), **rest, **named)
            equal(_texts(run), ["user-7"], run.err)
        equal(server.asked, ["/pool/.well-known/jwks.json"] * 2)


def an_issuers_own_slash_is_not_doubled():
    with tempfile.TemporaryDirectory() as folder, KeyServer() as server:
        token, env = keys(folder, server.url + "/pool/")
        server.will_answer(_good(folder))
        env.pop("WSRT_JWKS", None)
        run = Run(FUNCTION, authorize(token), **env)
        equal(_texts(run), ["user-7"], run.err)
        equal(server.asked, ["/pool/.well-known/jwks.json"])


def a_key_server_that_fails_opens_its_breaker():
    hasty = {"services": {"cognito": {"operations": {
        "verifyJWT": {"failureThreshold": 1, "minimumRequestCount": 1}}}}}
    with tempfile.TemporaryDirectory() as folder, KeyServer() as server:
        token, env = keys(folder)
        pathlib.Path(folder, "breakers.json").write_text(json.dumps(hasty))
        server.will_answer((500, b""))
        run = Run(FUNCTION, *[authorize(token)] * 3,
                  **{**env, "WSRT_JWKS": server.url, "WSRT_BREAKERS": folder + "/breakers.json"})
        equal(_texts(run), ["the token could not be judged"] * 3, run.err)
        equal(len(server.asked), 1)
        expect(any(line["event"].startswith("breaker") for line in run.lines()), run.err)
        expect(token not in run.out + run.err, "a token in the log")


def keys_that_are_there_serve_on_while_their_server_fails():
    with tempfile.TemporaryDirectory() as folder, KeyServer() as server:
        token, env = keys(folder)
        server.will_answer(_good(folder), (500, b""))
        run = Run(FUNCTION, *[authorize(token)] * 3, **{**env, "WSRT_JWKS": server.url})
        equal(_texts(run), ["user-7"] * 3, run.err)


def a_key_server_is_believed_by_its_certificate():
    with tempfile.TemporaryDirectory() as folder, KeyServer() as server:
        token, env = keys(folder)
        server.will_answer(_good(folder))
        server.speak_tls(folder)
        env["WSRT_JWKS"] = server.url
        for bundle, wanted in (("ca.pem", "user-7"), ("server.key", "the token could not be judged"),
                               (None, "the token could not be judged")):
            trust = {"AWS_CA_BUNDLE": f"{folder}/{bundle}"} if bundle else {}
            run = Run(FUNCTION, authorize(token), **env, **trust)
            equal(_texts(run), [wanted], run.err)
        equal(len(server.asked), 1)


def an_address_that_is_not_safe_ends_the_start():
    for address in ("http://keys.example/", "/var/task/jwks.json", "https://" + "k" * 2048):
        run = Run(FUNCTION, WSRT_ISSUER="https://me.example", WSRT_AUDIENCE="app",
                  WSRT_JWKS=address)
        equal((run.status, [path for path, _ in run.results]), (78, ["init/error"]), run.err)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
