"""The example functions as processes, against a Runtime API: results, log and metrics apart."""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

from lambdacase import ARN, EXAMPLES, Run, authorize, keys, message, ok
from toolcase import cases_of, equal, expect, main

def echo_answers_each_message_and_ends_cleanly():
    Run("echo-lambda", message("one"), message("two")).results_are(
        ("invocation/r1/response", ok("one")), ("invocation/r2/response", ok("two")))


def metrics_are_alone_on_standard_output_and_the_log_on_standard_error():
    run = Run("echo-lambda", message("one"), {"no": "event"}, WSRT_LOG_LEVEL="trace",
              ENVIRONMENT="prod")
    metrics = [json.loads(line) for line in run.out.splitlines()]
    expect(metrics and all("_aws" in line for line in metrics))
    expect(any(line.get("Handler") == "websocket_conversation" and line["Environment"] == "prod"
               for line in metrics))
    expect([line for line in run.lines() if line["event"] == "lambda_event_failed"])
    expect(all({"time", "level", "event"} <= set(line) for line in run.lines()))


def a_quiet_function_logs_nothing():
    equal(Run("echo-lambda", message("one"), WSRT_LOG_LEVEL="error").err, "")


def a_function_without_an_interface_says_so():
    done = subprocess.run([os.path.join(EXAMPLES, "echo-lambda")], env={}, capture_output=True,
                          text=True, check=False)
    equal(done.returncode, 78)
    expect("missing environment variables: AWS_LAMBDA_RUNTIME_API" in done.stderr, done.stderr)


# ---- authorizer ----

def the_authorizer_allows_a_good_token_and_knows_nobody_else():
    with tempfile.TemporaryDirectory() as folder:
        token, env = keys(folder)
        run = Run("authorizer-lambda", authorize(token), authorize(token[:-6] + "AAAAAA"),
                  authorize(None), **env)
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
