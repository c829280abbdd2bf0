#!/usr/bin/python3
"""Signatures against those of botocore, for random requests, and against AWS's own suite where
$WSRT_SUITES_DIR has it. Usage: test_sigv4.py DRIVER [SEED]"""
import json
import os
import random
import subprocess
import sys
from datetime import datetime
from unittest import mock
from urllib.parse import quote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from tap import check, plan  # noqa: E402

REQUESTS = 600
driver = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
rng = random.Random(sys.argv[2] if len(sys.argv) > 2 else "sigv4")


def ours(words):
    words = [w if isinstance(w, bytes) else w.encode() for w in words]
    print(" ".join(w.hex() or "-" for w in words), file=driver.stdin, flush=True)
    answer = driver.stdout.readline().split()
    if len(answer) != 2:
        return None, None
    return bytes.fromhex(answer[0]), answer[1]


def text(least, most, letters=None):
    letters = letters or "abcXYZ019 -._~/@=+%&?#:;,'\"()[]{}!*$|<>\\^`\u00e9\u20ac\U0001f600"
    return "".join(rng.choice(letters) for _ in range(rng.randint(least, most)))


def random_request():
    path = "".join("/" + quote(text(1, 12).strip(".") or "x", safe=rng.choice(["", "@", "@:,"]))
                   for _ in range(rng.randint(0, 4))) or "/"
    names = [text(1, 6) for _ in range(rng.randint(0, 6))]
    query = "&".join(quote(n, safe="") + "=" + quote(text(0, 10), safe="") for n in names)
    headers = {f"X-{text(1, 5, 'abcdefAB-')}{n}".rstrip("-"): text(0, 20, "ab  \t,;=\"/")
               for n in range(rng.randint(0, 6))}
    if rng.random() < 0.5:
        headers["Content-Type"] = "application/x-amz-json-1.0"
    if rng.random() < 0.5:
        headers["X-Amz-Target"] = "DynamoDB_20120810.PutItem"
    return {
        "method": rng.choice(["GET", "POST", "PUT", "DELETE"]), "path": path, "query": query,
        "headers": headers, "body": text(0, 200).encode(),
        "host": rng.choice(["h.example", "localhost:8000", "a.execute-api.eu-west-1.amazonaws.com"]),
        "token": text(10, 40, "abc/+=") if rng.random() < 0.5 else None,
        "secret": text(1, 80, "abcXYZ/+0"), "access": text(16, 20, "AKIDEX"),
        "region": rng.choice(["us-east-1", "eu-west-1", "cn-north-1"]),
        "service": rng.choice(["execute-api", "dynamodb", "monitoring"]),
        "when": datetime.utcfromtimestamp(rng.randint(0, 4102444800)),
    }


class Clock(datetime):
    fixed = None

    @classmethod
    def utcnow(cls):
        return cls.fixed


def theirs(r):
    """Canonical request, signature and the fields that were signed, as an AWS SDK makes them."""
    url = f"https://{r['host']}{r['path']}" + ("?" + r["query"] if r["query"] else "")
    request = AWSRequest(method=r["method"], url=url, headers=dict(r["headers"]), data=r["body"])
    signer = botocore.auth.SigV4Auth(Credentials(r["access"], r["secret"], r["token"]),
                                     r["service"], r["region"])
    seen = {}
    original = signer.canonical_request

    def spy(asked):
        seen["canonical"] = original(asked)
        return seen["canonical"]

    Clock.fixed = r["when"]
    with mock.patch.object(botocore.auth.datetime, "datetime", Clock), \
            mock.patch.object(signer, "canonical_request", spy):
        signer.add_auth(request)
    authorization = request.headers["Authorization"]
    signed = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    fields = [(n, r["host"] if n == "host" else request.headers[n]) for n in signed]
    rng.shuffle(fields)
    return seen["canonical"].encode(), authorization.split("Signature=")[1], fields


def differences():
    for n in range(REQUESTS):
        r = random_request()
        canonical, signature, fields = theirs(r)
        words = [r["secret"], r["region"], r["service"], r["when"].strftime("%Y%m%dT%H%M%SZ"),
                 r["method"], r["path"], r["query"], r["body"]]
        for name, value in fields:
            words += [rng.choice([name, name.upper()]), value]
        mine, mine_signature = ours(words)
        if mine != canonical:
            yield f"request {n}: canonical {mine!r}, botocore {canonical!r}"
        elif mine_signature != signature:
            yield f"request {n}: signature {mine_signature}, botocore {signature}"


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def suite_case(folder, kind):
    """A case of AWS's suite, from the request that it shows signed."""
    context = json.loads(read(folder, "context.json"))
    head, _, body = read(folder, f"{kind}-signed-request.txt").partition(b"\n\n")
    lines = head.split(b"\n")
    method, target, _ = lines[0].split(b" ")
    path, _, query = target.partition(b"?")
    query = b"&".join(p for p in query.split(b"&") if not p.startswith(b"X-Amz-Signature="))
    fields = []
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.lower() != b"authorization" and name:
            fields += [name, value]
    when = context["timestamp"].replace("-", "").replace(":", "")
    words = [context["credentials"]["secret_access_key"], context["region"], context["service"], when,
             method, path, query, body.rstrip(b"\n") if not body.strip() else body] + fields
    canonical, signature = ours(words)
    if canonical != read(folder, f"{kind}-canonical-request.txt"):
        yield f"canonical {canonical!r}"
    if signature != read(folder, f"{kind}-signature.txt").decode():
        yield f"signature {signature}"


check(f"{REQUESTS} random requests are signed as botocore signs them", differences())
suite = os.path.join(os.environ.get("WSRT_SUITES_DIR", ""), "aws-sig-v4")
if os.path.isdir(suite):
    for case in sorted(os.listdir(suite)):
        if os.path.isdir(os.path.join(suite, case)):
            for kind in ("header", "query"):
                check(f"{case}, signed in its {kind}", suite_case(os.path.join(suite, case), kind))
else:
    print("# AWS's suite is not here: WSRT_SUITES_DIR is not set")
driver.stdin.close()
driver.wait()
plan()
