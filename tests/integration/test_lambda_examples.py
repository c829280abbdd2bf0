"""The example functions as processes, against a Runtime API: results, log and metrics apart."""
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from toolcase import cases_of, equal, expect, main

EXAMPLES = os.environ["WSRT_EXAMPLES"]
ARN = "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/prod/$connect"
API = "/2018-06-01/runtime/"


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


def _message(body, **context):
    return {"requestContext": {"eventType": "MESSAGE", "connectionId": "c1=", **context},
            "body": body}


def _ok(body):
    return {"statusCode": 200, "body": body, "isBase64Encoded": False}


def echo_answers_each_message_and_ends_cleanly():
    Run("echo-lambda", _message("one"), _message("two")).results_are(
        ("invocation/r1/response", _ok("one")), ("invocation/r2/response", _ok("two")))


def metrics_are_alone_on_standard_output_and_the_log_on_standard_error():
    run = Run("echo-lambda", _message("one"), {"no": "event"}, WSRT_LOG_LEVEL="trace",
              ENVIRONMENT="prod")
    metrics = [json.loads(line) for line in run.out.splitlines()]
    expect(metrics and all("_aws" in line for line in metrics))
    expect(any(line.get("Handler") == "websocket_conversation" and line["Environment"] == "prod"
               for line in metrics))
    expect([line for line in run.lines() if line["event"] == "lambda_event_failed"])
    expect(all({"time", "level", "event"} <= set(line) for line in run.lines()))


def a_quiet_function_logs_nothing():
    equal(Run("echo-lambda", _message("one"), WSRT_LOG_LEVEL="error").err, "")


def a_function_without_an_interface_says_so():
    done = subprocess.run([os.path.join(EXAMPLES, "echo-lambda")], env={}, capture_output=True,
                          text=True, check=False)
    equal(done.returncode, 78)
    expect("missing environment variables: AWS_LAMBDA_RUNTIME_API" in done.stderr, done.stderr)


def connect_takes_who_the_authorizer_knows():
    event = {"requestContext": {"eventType": "CONNECT", "connectionId": "c1=",
                                "authorizer": {"userId": "ann"}}}
    Run("connect-lambda", event, WSRT_REQUIRE_AUTH="1").results_are(
        ("invocation/r1/response", {"statusCode": 200}))


def connect_refuses_nobody_where_authentication_is_required():
    event = {"requestContext": {"connectionId": "c1="}}
    for required, status in (("1", 401), ("", 200)):
        run = Run("connect-lambda", event, WSRT_REQUIRE_AUTH=required)
        equal([r[1]["statusCode"] for r in run.results], [status], run.err)


def developer_errors_are_shown_when_the_environment_says_so():
    event = {"requestContext": {"connectionId": "c1="}}
    bodies = [Run("connect-lambda", event, WSRT_REQUIRE_AUTH="1", WSRT_DEVELOPER_ERRORS=flag)
              .results[0][1]["body"] for flag in ("", "1")]
    expect(len(bodies[1]) > len(bodies[0]), bodies)
    equal(sum("suggestions" in body or "debug" in body for body in bodies), 1, bodies)


def disconnect_answers_200():
    Run("disconnect-lambda", {"requestContext": {"connectionId": "c1="}}).results_are(
        ("invocation/r1/response", {"statusCode": 200}))


def chat_answers_a_ping():
    run = Run("chat-lambda", _message('{"type":"ping","data":{"action":"now"}}', routeKey="ping"))
    equal(len(run.results), 1, run.err)
    equal(json.loads(run.results[0][1]["body"])["type"], "pong")


# ---- authorizer ----

def _authorize(token):
    query = {} if token is None else {"queryStringParameters": {"token": token}}
    return {"type": "REQUEST", "methodArn": ARN, "requestContext": {"connectionId": "c1="}, **query}


def _keys(folder):
    """A token for an hour, and the environment in which it is good."""
    done = subprocess.run(
        [os.environ["WSRT"], "token", "make", "--sub", "user-7", "--key", folder + "/k.json",
         "--issuer", "https://me.example", "--audience", "app"],
        capture_output=True, text=True, check=True)
    return done.stdout.strip(), {"WSRT_JWKS": folder + "/k.jwks.json",
                                 "WSRT_ISSUER": "https://me.example", "WSRT_AUDIENCE": "app"}


def the_authorizer_allows_a_good_token_and_knows_nobody_else():
    with tempfile.TemporaryDirectory() as folder:
        token, env = _keys(folder)
        run = Run("authorizer-lambda", _authorize(token), _authorize(token[:-6] + "AAAAAA"),
                  _authorize(None), **env)
        (path, allow), *refused = run.results
        equal(path, "invocation/r1/response", run.err)
        equal(allow["principalId"], "user-7")
        equal(allow["policyDocument"]["Statement"],
              [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": ARN}])
        equal(allow["context"]["userId"], "user-7")
        expect(allow["context"]["exp"] > time.time())
        equal([(p, r["errorMessage"]) for p, r in refused],
              [("invocation/r2/error", "Unauthorized"), ("invocation/r3/error", "Unauthorized")])
        expect(token not in run.out + run.err, "a token in the log")


def the_authorizer_names_what_is_missing():
    run = Run("authorizer-lambda", WSRT_ISSUER="https://me.example", WSRT_AUDIENCE="")
    equal(run.status, 78)
    ((path, report),) = run.results
    equal((path, report["errorMessage"]),
          ("init/error", "missing environment variables: WSRT_JWKS, WSRT_AUDIENCE"))
    expect("WSRT_JWKS, WSRT_AUDIENCE" in run.err)


def the_authorizer_cannot_start_without_keys():
    run = Run("authorizer-lambda", WSRT_JWKS="/nowhere", WSRT_ISSUER="x", WSRT_AUDIENCE="y")
    equal((run.status, [r[0] for r in run.results]), (78, ["init/error"]), run.err)


# ---- documentation ----

def the_local_run_of_the_guide_does_what_it_says():
    guide = (pathlib.Path(__file__).parents[2] / "docs" / "lambda.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", guide, re.S)
    (wanted,) = re.findall(r"It prints `(response .*?)`", guide)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    expect("9001" in program, "the guide's port")
    with subprocess.Popen([sys.executable, "-c", program.replace("9001", str(port))],
                          stdout=subprocess.PIPE, text=True) as api:
        until = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0 and time.monotonic() < until:
            pass
        function = subprocess.run([os.path.join(EXAMPLES, "echo-lambda")], capture_output=True,
                                  env={"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"}, check=False,
                                  timeout=20)
        equal(api.communicate(timeout=10)[0], wanted + "\n")
        equal(function.returncode, 1)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
