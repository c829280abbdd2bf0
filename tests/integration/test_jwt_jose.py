#!/usr/bin/env python3
"""Tokens and attacks made with npm's jose, judged by libwsrt-jwt. Usage: test_jwt_jose.py DRIVER"""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from tap import check, plan  # noqa: E402

CLIENTS = pathlib.Path(__file__).resolve().parent.parent / "clients"

made = subprocess.run(["node", str(CLIENTS / "tokens.mjs")], stdout=subprocess.PIPE, text=True,
                      check=True, timeout=60).stdout
cases = [json.loads(line) for line in made.splitlines()]
judged = subprocess.run([sys.argv[1]], input=made, stdout=subprocess.PIPE, text=True, check=True,
                        timeout=60).stdout.splitlines()
check("every token is judged", [] if len(judged) == len(cases) else [f"{len(judged)} verdicts"])
for case, line in zip(cases, judged):
    verdict, why = line.split("\t")
    check(f"{case['name']}: {case['expect']}",
          [] if verdict == case["expect"] else [f"{verdict}: {why}", case["token"][:2000]])
good = sum(case["expect"] == "ok" for case in cases)
print(f"# {len(cases)} inputs compared, {good} accepted by both")
plan()
