#!/usr/bin/python3
"""What libwsrt-aws sends to CloudWatch, judged by botocore: its signer and its model of the service.
Usage: test_aws_botocore.py DRIVER"""
import http.server
import json
import subprocess
import sys
import threading
from datetime import datetime
from unittest import mock

import botocore.auth
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.validate import ParamValidator

from toolcase import cases_of, equal, expect, main

DRIVER = sys.argv.pop(1)
ACCESS, SECRET, TOKEN, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "TOKEN/EXAMPLE+==", "eu-west-1"
SERVICE = botocore.session.get_session().get_service_model("cloudwatch")
PUT = SERVICE.operation_model("PutMetricData")


class _Watch(http.server.ThreadingHTTPServer):
    """Keeps what it is sent; answers with `answers`, one after the other, then 200."""
    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests, self.answers = [], list(answers)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        status, text = self.server.answers.pop(0) if self.server.answers else (200, "{}")
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


def _sent(rounds, *answers, **more):
    """The requests of a driver, and the lines it prints."""
    watch = _Watch(*answers)
    env = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION,
           "AWS_ENDPOINT_URL_CLOUDWATCH": f"http://127.0.0.1:{watch.server_port}", **more}
    done = subprocess.run([DRIVER, str(rounds)], env=env, text=True, capture_output=True,
                          timeout=60, check=True)
    watch.shutdown()
    watch.server_close()
    return watch.requests, done.stdout.splitlines()


class _Clock(datetime):
    fixed = None

    @classmethod
    def utcnow(cls):
        return cls.fixed


def _authorization(path, headers, body, token):
    """As botocore signs the same request."""
    signed = headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    kept = {n: v for n, v in headers.items() if n.lower() in signed
            and n.lower() not in ("host", "x-amz-date", "x-amz-security-token")}
    request = AWSRequest("POST", f"http://{headers['Host']}{path}", headers=kept, data=body)
    _Clock.fixed = datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    with mock.patch.object(botocore.auth.datetime, "datetime", _Clock):
        botocore.auth.SigV4Auth(Credentials(ACCESS, SECRET, token), "monitoring",
                                REGION).add_auth(request)
    return request.headers["Authorization"]


def _strangers(value, shape, place=""):
    """Members that the model of the service does not have."""
    if shape.type_name == "structure":
        for name, member in value.items():
            if name not in shape.members:
                yield f"{place}/{name}"
            else:
                yield from _strangers(member, shape.members[name], f"{place}/{name}")
    elif shape.type_name == "list":
        for member in value:
            yield from _strangers(member, shape.member, place)


def every_request_is_signed_as_botocore_signs_it():
    for token in (None, TOKEN):
        more = {"AWS_SESSION_TOKEN": token} if token else {}
        requests, _ = _sent(3, **more)
        equal(len(requests), 3)
        for path, headers, body in requests:
            equal(headers["Authorization"], _authorization(path, headers, body, token))
            equal(headers.get("X-Amz-Security-Token"), token)


def every_body_is_one_that_the_model_of_cloudwatch_takes():
    requests, lines = _sent(3)
    equal(lines[:3], ["WSRT_OK"] * 3)
    for path, headers, body in requests:
        equal((path, headers["Content-Type"]), ("/", "application/x-amz-json-1.0"))
        prefix, name = headers["X-Amz-Target"].split(".")
        equal((prefix, name), ("GraniteServiceVersion20100801", PUT.name))
        given = json.loads(body)
        problems = ParamValidator().validate(given, PUT.input_shape)
        expect(not problems.has_errors(), problems.generate_report())
        equal(list(_strangers(given, PUT.input_shape)), [])
        units = set(SERVICE.shape_for("StandardUnit").enum)
        expect({d["Unit"] for d in given["MetricData"]} <= units, "units")


def a_model_judge_sees_what_is_wrong():
    wrong = {"Namespace": "WebSocket/Performance",
             "MetricData": [{"MetricName": "x", "Dimensions": [{"Name": "a"}], "Valu": 1}]}
    expect(ParamValidator().validate(wrong, PUT.input_shape).has_errors(), "a dimension's value")
    equal(list(_strangers(wrong, PUT.input_shape)), ["/MetricData/Valu"])


def a_round_that_fails_is_told_with_the_next_one_and_once():
    error = json.dumps({"__type": "com.amazonaws.cloudwatch#InternalServiceFault"})
    throttled = json.dumps({"__type": "com.amazon.coral.availability#ThrottlingException"})
    requests, lines = _sent(3, (500, error), (400, throttled))
    equal(lines, ["WSRT_ERR_UNAVAILABLE", "WSRT_ERR_THROTTLED", "WSRT_OK", "sent 3, failed 2"])
    bodies = [json.loads(body) for _, _, body in requests]
    equal(len(bodies), 5)
    equal(bodies[0], bodies[1], "the same body again")
    taken = sum(d["StatisticValues"]["SampleCount"] for b in bodies[2:] for d in b["MetricData"]
                if d["MetricName"] == "Success")
    equal(taken, 10 + 11 + 12)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
