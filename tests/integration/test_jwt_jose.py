#!/usr/bin/env python3
"""Tokens and attacks made with npm's jose, and Cognito's tokens before npm's aws-jwt-verify, judged by
libwsrt-jwt. Usage: test_jwt_jose.py DRIVER"""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from tap import check, plan  # noqa: E402

CLIENTS = pathlib.Path(__file__).resolve().parent.parent / "clients"


def judged_by_us(script):
    """The cases that a script prints, each with our verdict and its reason."""
    made = subprocess.run(["node", str(CLIENTS / script)], stdout=subprocess.PIPE, text=True,
                          check=True, timeout=60).stdout
    judged = subprocess.run([sys.argv[1]], input=made, stdout=subprocess.PIPE, text=True,
                            check=True, timeout=60).stdout.splitlines()
    cases = [json.loads(line) for line in made.splitlines()]
    check(f"every token of {script} is judged",
          [] if len(judged) == len(cases) else [f"{len(judged)} verdicts"])
    return [(case, *line.split("\t")) for case, line in zip(cases, judged)]


by_jose = judged_by_us("tokens.mjs")
for case, verdict, why in by_jose:
    check(f"{case['name']}: {case['expect']}",
          [] if verdict == case["expect"] else [f"{verdict}: {why}", case["token"][:2000]])
by_cognito = judged_by_us("cognito.mjs")
for case, verdict, why in by_cognito:
    same = "too" if case["expect"] == case["expect_theirs"] else case["expect_theirs"]
    check(f"Cognito, {case['name']}: {case['expect']}, for aws-jwt-verify {same}",
          [] if (verdict, case["theirs"]) == (case["expect"], case["expect_theirs"])
          else [f"ours {verdict} ({why}), theirs {case['theirs']}", case["token"][:2000]])
cases = by_jose + by_cognito
good = sum(case["expect"] == "ok" for case, _, _ in cases)
print(f"# {len(cases)} inputs compared, {good} accepted by both")
plan()
