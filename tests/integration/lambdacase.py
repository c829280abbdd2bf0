"""A function as a process, against a Runtime API: what it answered, and its words."""
import http.server
import json
import os
import signal
import subprocess
import threading

from toolcase import equal

EXAMPLES = os.environ["WSRT_EXAMPLES"]
API = "/2018-06-01/runtime/"
ARN = "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/prod/$connect"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _answer(self, status, body=b"{}", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        api = self.server
        with api.changed:
            if not api.events:
                api.waiting = True
                api.changed.notify_all()
                api.changed.wait_for(lambda: api.over)
                self.close_connection = True
                return
            number, event = api.events.pop(0)
        self._answer(200, json.dumps(event).encode(),
                     [("Lambda-Runtime-Aws-Request-Id", f"r{number}")])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        api = self.server
        self._answer(202)
        with api.changed:
            api.results.append((self.path.removeprefix(API), body))
            api.changed.notify_all()


def _serve(events):
    api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    api.daemon_threads = True
    api.events = list(enumerate(events, 1))
    api.results, api.waiting, api.over = [], False, False
    api.changed = threading.Condition()
    threading.Thread(target=api.serve_forever, daemon=True).start()
    return api


class Run:
    """What a function did with some events and a SIGTERM after the last: its exit and its words."""

    def __init__(self, name, *events, **env):
        api = _serve(events)
        env = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}", **env}
        process = subprocess.Popen([os.path.join(EXAMPLES, name)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True,
                                   env={"PATH": os.environ["PATH"], **env,
                                        **{k: v for k, v in os.environ.items() if "SAN" in k}})
        threading.Thread(target=self._end, args=(api, process), daemon=True).start()
        self.out, self.err = process.communicate(timeout=30)
        self.status = process.returncode
        with api.changed:
            api.over = True
            api.changed.notify_all()
        api.shutdown()
        api.server_close()
        self.results = api.results

    @staticmethod
    def _end(api, process):
        with api.changed:
            api.changed.wait_for(lambda: api.waiting, timeout=20)
        process.send_signal(signal.SIGTERM)

    def results_are(self, *wanted):
        equal((self.results, self.status), (list(wanted), 0), self.err)

    def lines(self):
        return [json.loads(line) for line in self.err.splitlines()]


def message(body, **context):
    return {"requestContext": {"eventType": "MESSAGE", "connectionId": "c1=", **context},
            "body": body}


def ok(body):
    return {"statusCode": 200, "body": body, "isBase64Encoded": False}


def authorize(token):
    """A REQUEST authorizer's event."""
    query = {} if token is None else {"queryStringParameters": {"token": token}}
    return {"type": "REQUEST", "methodArn": ARN, "requestContext": {"connectionId": "c1="}, **query}


def keys(folder, issuer="https://me.example"):
    """A token for an hour, and the environment in which it is good."""
    done = subprocess.run(
        [os.environ["WSRT"], "token", "make", "--sub", "user-7", "--key", folder + "/k.json",
         "--issuer", issuer, "--audience", "app"], capture_output=True, text=True, check=True)
    return done.stdout.strip(), {"WSRT_JWKS": folder + "/k.jwks.json", "WSRT_ISSUER": issuer,
                                 "WSRT_AUDIENCE": "app"}
