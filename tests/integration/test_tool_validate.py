"""Black-box tests of `wsrt validate`."""
import contextlib
import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile

from test_tool import OK, UNMET, USAGE, _complains
from toolcase import WSRT, cases_of, equal, expect, main, wsrt

GOOD = '{"type":"ping","data":{"action":"now"}}'
BAD = '{"type":"message","data":{"action":"say","message":""}}'


def validate_judges_each_line_in_order():
    done = wsrt("validate", "--builtin", "message", stdin=f"{GOOD}\n\n{BAD}\r\n{GOOD}")
    equal((done.returncode, done.stderr), (UNMET, ""))
    told = [json.loads(line) for line in done.stdout.splitlines()]
    equal([(t["line"], t["valid"]) for t in told], [(1, True), (3, False), (4, True)])
    issue = told[1]["issues"][0]
    equal((issue["code"], issue["keyword"], issue["instancePath"], issue["message"]),
          ("too_small", "minLength", "/data/message", "Message cannot be empty"))
    equal((told[1]["total"], told[1]["truncated"]), (1, False))


def validate_is_well_when_all_lines_are_valid():
    done = wsrt("validate", "--builtin", "message", "-", stdin=f"{GOOD}\n{GOOD}\n")
    equal((done.returncode, done.stdout.count('"valid":true')), (OK, 2))


def validate_writes_text():
    done = wsrt("validate", "--builtin", "message", "--format", "text", stdin=f"{GOOD}\n{BAD}\n")
    equal(done.stdout,
          "1: valid\n2: invalid: /data/message: too_small: Message cannot be empty\n")


def validate_reads_schema_and_messages_from_files():
    with tempfile.TemporaryDirectory() as folder:
        schema = pathlib.Path(folder) / "schema.json"
        lines = pathlib.Path(folder) / "lines"
        schema.write_text('{"type":"array","maxItems":1}', encoding="utf-8")
        lines.write_text("[1]\n[1,2]\n", encoding="utf-8")
        done = wsrt("validate", "--schema", str(schema), str(lines))
        equal(done.returncode, UNMET, done.stderr)
        equal([json.loads(line)["valid"] for line in done.stdout.splitlines()], [True, False])
        equal(wsrt("validate", "--schema", str(schema), "--whole", stdin="[\n1\n]\n").returncode, OK)


def validate_limits_size_depth_and_issues():
    args = ("validate", "--builtin", "message")
    done = wsrt(*args, "--max-bytes", "64", stdin=GOOD + " " * 64 + "\n" + GOOD)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    equal([t["valid"] for t in told], [False, True])
    equal(told[0]["issues"][0]["code"], "json_size")
    done = wsrt(*args, "--max-depth", "1", stdin=GOOD)
    equal(json.loads(done.stdout)["issues"][0]["code"], "json_depth")
    done = wsrt(*args, "--max-issues", "1", stdin='{"type":"auth","data":{"action":""}}')
    told = json.loads(done.stdout)
    equal((len(told["issues"]), told["truncated"]), (1, told["total"] > 1))


def validate_prints_the_builtin_schemas():
    for name in ("message", "message-auth", "message-chat", "message-ping", "message-basic",
                 "message-dashboard", "message-action"):
        done = wsrt("validate", "--builtin", name, "--print")
        equal(done.returncode, OK, done.stderr)
        json.loads(done.stdout)


def validate_says_where_a_schema_is_wrong():
    with tempfile.TemporaryDirectory() as folder:
        schema = pathlib.Path(folder) / "schema.json"
        schema.write_text('{"properties":{"a":{"pattern":"(?=x)"}}}', encoding="utf-8")
        _complains(wsrt("validate", "--schema", str(schema)), USAGE,
                   "schema error at /properties/a/pattern: schema_pattern_unsupported")
        schema.write_text('{"maxlenght":1}', encoding="utf-8")
        _complains(wsrt("validate", "--strict", "--schema", str(schema)), USAGE, "schema error at /")
        schema.write_text('{"type":', encoding="utf-8")
        _complains(wsrt("validate", "--schema", str(schema)), USAGE, "schema_json")


def validate_warns_of_what_is_doubtful():
    with tempfile.TemporaryDirectory() as folder:
        schema = pathlib.Path(folder) / "schema.json"
        schema.write_text(json.dumps({f"odd{n}": 1 for n in range(20)}), encoding="utf-8")
        done = wsrt("validate", "--dialect", "2020-12", "--schema", str(schema), stdin="1")
        equal((done.returncode, done.stdout.count("\n"), done.stderr.count("\n")), (OK, 1, 17))
        expect(done.stderr.startswith("wsrt: schema warning at /odd0: schema_keyword_unknown: "),
               done.stderr)
        expect(done.stderr.endswith("and 4 more schema warnings\n"), done.stderr)
        _complains(wsrt("validate", "--strict", "--dialect", "2020-12", "--schema", str(schema)),
                   USAGE, "schema error at /odd0: schema_keyword_unknown")


def validate_asserts_formats_and_dialects_on_request():
    with tempfile.TemporaryDirectory() as folder:
        schema = pathlib.Path(folder) / "schema.json"
        schema.write_text('{"format":"nothing-known"}', encoding="utf-8")
        equal(wsrt("validate", "--schema", str(schema), stdin='"x"').returncode, OK)
        _complains(wsrt("validate", "--assert-format", "--schema", str(schema), stdin='"x"'), USAGE,
                   "schema error at /format: schema_format_unknown")
        schema.write_text('{"format":"date"}', encoding="utf-8")
        for args, day, status in (([], "x", OK), (["--assert-format"], "2020-02-29", OK),
                                  (["--assert-format"], "2021-02-29", UNMET)):
            equal(wsrt("validate", *args, "--schema", str(schema), stdin=f'"{day}"').returncode,
                  status)
        schema.write_text('{"items":[{"type":"null"}]}', encoding="utf-8")
        equal(wsrt("validate", "--dialect", "draft-07", "--schema", str(schema),
                   stdin="[1]").returncode, UNMET)
        equal(wsrt("validate", "--dialect", "2020-12", "--schema", str(schema),
                   stdin="[1]").returncode, USAGE)


def validate_wants_exactly_one_schema_that_can_be_read():
    _complains(wsrt("validate"), USAGE, "--schema FILE or --builtin NAME")
    _complains(wsrt("validate", "--schema", "a", "--builtin", "b"), USAGE, "--schema")
    _complains(wsrt("validate", "--schema", "/nonexistent"), USAGE, "No such file")
    _complains(wsrt("validate", "--builtin", "nothing"), USAGE, "'nothing'")
    _complains(wsrt("validate", "--print"), USAGE, "--print needs --builtin")
    _complains(wsrt("validate", "--builtin", "message", "/nonexistent"), USAGE, "No such file")


def validate_reads_registered_documents_and_no_others():
    with tempfile.TemporaryDirectory() as folder:
        schema = pathlib.Path(folder) / "schema.json"
        other = pathlib.Path(folder) / "other.json"
        schema.write_text('{"$ref":"https://example.org/a?b=c"}', encoding="utf-8")
        other.write_text('{"type":"null"}', encoding="utf-8")
        args = ("validate", "--schema", str(schema))
        _complains(wsrt(*args), USAGE, "schema error at /$ref: schema_ref_unresolved")
        given = ("--resource", "urn:unused=/dev/null",
                 "--resource", f"https://example.org/a?b=c={other}")
        equal(wsrt(*args, *given, stdin="null\n").returncode, OK)
        equal(wsrt(*args, *given, stdin="1\n").returncode, UNMET)
        for bad in ("", "x", "=file", "urn:x="):
            _complains(wsrt(*args, "--resource", bad), USAGE, "is not URI=FILE")
        _complains(wsrt(*args, "--resource", "urn:x=/nonexistent"), USAGE, "No such file")


def validate_ends_lines_at_lf_and_drops_one_cr():
    args = ("validate", "--builtin", "message", "--max-bytes", str(len(GOOD)), "--format", "text")
    done = subprocess.run([WSRT, *args], capture_output=True, check=False, timeout=20,
                          input=f"{GOOD}\r\n\r\n\n{GOOD}\r\r\n {GOOD}\n{GOOD}\r".encode())
    equal([line.split(":")[:2] for line in done.stdout.decode().splitlines()],
          [["1", " valid"], ["4", " invalid"], ["5", " invalid"], ["6", " valid"]])


def validate_finds_lines_that_cross_its_reads():
    lines = [json.dumps({"type": "ping", "data": {"action": "now", "fill": "x" * (n * 37 % 9000)}})
             for n in range(200)]
    lines[70] = lines[70].replace("ping", "pong")
    done = wsrt("validate", "--builtin", "message", stdin="\n".join(lines))
    told = [json.loads(line) for line in done.stdout.splitlines()]
    equal([t["line"] for t in told if not t["valid"]], [71])
    equal(len(told), 200)


def validate_does_not_store_an_overlong_line():
    process = subprocess.Popen([WSRT, "validate", "--builtin", "message", "--max-bytes", "64"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for _ in range(64):
        process.stdin.write(b"x" * (1 << 20))
    process.stdin.flush()
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    peak = int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1])
    out, _ = process.communicate(b"\n" + GOOD.encode())
    told = [json.loads(line) for line in out.splitlines()]
    equal([t["valid"] for t in told], [False, True])
    equal(told[0]["issues"][0]["code"], "json_size")
    expect(peak < 32 << 10, f"64 MB of one line took {peak} KiB")


def validate_reads_a_gigabyte_in_constant_memory():
    line = json.dumps({"type": "message", "data": {"action": "a", "message": "m" * 900}})
    count = 10**9 // (len(line) + 1) + 1
    with contextlib.ExitStack() as stack:
        run = lambda *words, stdin=None: stack.enter_context(
            subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE))
        lines = run("yes", line)
        first = run("head", "-n", str(count), stdin=lines.stdout)
        tool = run(WSRT, "validate", "--builtin", "message", stdin=first.stdout)
        last = run("tail", "-n", "1", stdin=tool.stdout)
        for process in (lines, first, tool):
            process.stdout.close()
        _, status, usage = os.wait4(tool.pid, 0)
        tool.returncode = os.waitstatus_to_exitcode(status)
        equal((tool.returncode, last.stdout.read()), (OK, b'{"line":%d,"valid":true}\n' % count))
    expect(usage.ru_maxrss < 64 << 10, f"1 GB took {usage.ru_maxrss} KiB")  # python's own before exec


def validate_tells_what_it_judged_before_it_waits_for_more():
    process = subprocess.Popen([WSRT, "validate", "--builtin", "message"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    for number in (1, 2):
        process.stdin.write(GOOD + "\n")
        process.stdin.flush()
        equal(json.loads(process.stdout.readline()), {"line": number, "valid": True})
    process.communicate()
    equal(process.returncode, OK)


def validate_shows_escaped_names_of_unknown_members():
    with tempfile.TemporaryDirectory() as folder:
        schema = pathlib.Path(folder) / "schema.json"
        schema.write_text('{"additionalProperties":{"type":"null"}}', encoding="utf-8")
        line = json.dumps({"a\x1b/\n\"~" + "x" * 100: 1})
        done = wsrt("validate", "--schema", str(schema), stdin=line)
        pointer = json.loads(done.stdout)["issues"][0]["instancePath"]
        expect(pointer.startswith("/a") and len(pointer) < 200, pointer)
        expect("*" not in pointer and "\x1b" not in done.stdout, done.stdout)
        done = wsrt("validate", "--schema", str(schema), "--format", "text", stdin=line)
        equal(done.stdout.count("\n"), 1)
        expect("\x1b" not in done.stdout, repr(done.stdout))


def validate_says_when_stdout_is_full():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([WSRT, "validate", "--builtin", "message"], stdout=full, text=True,
                              input=GOOD, stderr=subprocess.PIPE, check=False, timeout=20)
    expect("cannot write to stdout" in done.stderr, done.stderr)
    equal(done.returncode, 70)


def validate_never_shows_a_token():
    token = "t0k" + secrets.token_hex(16)
    members = {"type": "auth", "data": {"action": "a", "token": "t", "message": "m",
                                        "sessionId": "s"}, "correlationId": "c", "other": {"x": 1}}
    lines = [token, f'"{token}', f'["{token}"]', json.dumps(members)[:-1] + token]
    for name in ("type", "correlationId", "other", "data"):
        lines.append(json.dumps({**members, name: f"{token} {token}"}))
    for name in members["data"]:
        lines.append(json.dumps({**members, "data": {**members["data"], name: f"{token} {token}"}}))
        lines.append(json.dumps({**members, "data": {**members["data"], name: [token]}}))
    for name in ("message", "message-basic", "message-dashboard", "message-action"):
        for form in ("text", "json"):
            done = wsrt("validate", "--builtin", name, "--format", form, stdin="\n".join(lines))
            equal((done.returncode, done.stdout.count("\n")), (UNMET, len(lines)))
            expect(token not in done.stdout + done.stderr, done.stdout)


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    main(cases_of(sys.modules[__name__]))
