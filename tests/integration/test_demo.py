"""`wsrt demo` and the live page as programs see them, as docs/demo.md tells it: the story by the API, the
page's bytes."""
import base64
import gzip
import hashlib
import http.client
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tarfile
import tempfile
import time

from toolcase import CLEAN_ENV, WSRT, Serve, cases_of, equal, expect, main, wsrt

PAGE_MOST = 60 * 1024
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Demo(Serve):
    """A running `wsrt demo`."""
    command = "demo"


def _ask(server, path, method="GET", body=None, **headers):
    """Status, fields and body of an answer."""
    peer = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        peer.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = peer.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        peer.close()


def _state(server):
    status, _, body = _ask(server, "/api/state")
    equal(status, 200, "status of the state")
    expect(len(body) <= 256 * 1024, "the state is longer than 256 KiB")
    return json.loads(body)


def _until(server, what, holds, patience=60):
    """The first state for which it holds."""
    deadline = time.monotonic() + patience
    while True:
        state = _state(server)
        if holds(state):
            return state
        expect(time.monotonic() < deadline, what, json.dumps(state)[:4000])
        time.sleep(0.05)


def _pull(server, mode):
    status, _, body = _ask(server, "/api/demo/downstream", "POST", json.dumps({"mode": mode}))
    return status, json.loads(body)


def _moves(state):
    service = state["demo"]["downstream"]["service"]
    return [(e["from"], e["to"]) for e in state["breaker_events"]
            if e["service"] == service and e["kind"] == "transition"]


def _calls(state):
    return state["demo"]["downstream"]["calls"]


# ---- the page ----

def the_page_is_small_and_the_same_packed_or_plain():
    with Serve() as server:
        status, fields, plain = _ask(server, "/")
        equal((status, fields["Content-Type"]), (200, "text/html; charset=utf-8"))
        _, fields, packed = _ask(server, "/", Accept_Encoding="gzip")
        equal(fields["Content-Encoding"], "gzip")
        equal(gzip.decompress(packed), plain)
        expect(len(packed) <= PAGE_MOST, f"the page has {len(packed)} bytes, {PAGE_MOST} are allowed")


def the_page_runs_its_own_code_and_no_other():
    with Serve() as server:
        _, fields, page = _ask(server, "/")
        policy = dict(part.split(" ", 1) for part in fields["Content-Security-Policy"].split("; "))
        for tag in "script", "style":
            inline = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), page, re.S)
            equal(len(inline), 1, f"{tag} elements")
            digest = base64.b64encode(hashlib.sha256(inline[0]).digest()).decode()
            equal(policy[f"{tag}-src"], f"'sha256-{digest}'")
        equal(policy["default-src"], "'none'")
        equal(policy["frame-ancestors"], "'none'")
        equal(policy["connect-src"], "'self'")


def the_page_asks_nobody_else():
    with Serve() as server:
        _, _, page = _ask(server, "/")
        others = set(re.findall(rb"(?:src|href|url|import)\s*[=(]?\s*[\"'](?:https?:)?//[^\"']*", page))
        equal(others, set())


def the_page_is_not_sent_twice():
    with Serve() as server:
        _, fields, _ = _ask(server, "/", Accept_Encoding="gzip")
        status, _, body = _ask(server, "/", Accept_Encoding="gzip", If_None_Match=fields["ETag"])
        equal((status, body), (304, b""))


def the_release_carries_the_bundled_page():
    with tempfile.TemporaryDirectory(prefix="wsrt-dist-") as place, Serve() as server:
        archive = f"{place}/release.tar.gz"
        done = subprocess.run([ROOT / "scripts" / "dist", archive], capture_output=True, text=True, check=True)
        with tarfile.open(archive) as release:
            pages = [m for m in release if m.name.endswith("/tools/wsrt/page/packed.html")]
            if os.environ.get("WSRT_PAGE") == "written by hand":
                expect(not pages and "without the bundled page" in done.stderr, done.stderr)
                return
            equal(len(pages), 1, "bundled pages in the release")
            equal(release.extractfile(pages[0]).read(), _ask(server, "/")[2])


# ---- the state ----

def a_servers_state_tells_what_its_page_shows():
    with Serve("--app", "chat", "--dev-token", "sesame=ali") as server:
        wsrt("connect", server.url, "--token", "sesame", "--expect", "2",
             "--send", '{"type":"ping","data":{"action":"now"}}',
             "--send", '{"type":"ping","data":{"action":"hush hush"}}')
        state = _state(server)
        equal(state["app"], "chat")
        operation = next(o for o in state["monitor"]["operations"] if o["name"] == "websocket_conversation")
        expect(operation["count"] == 2 and operation["duration"]["p99"] > 0, operation)
        equal([t["metric"] for t in operation["thresholds"]], ["duration", "memoryUsage", "errorRate"])
        equal(state["invalid"]["total"], 1)
        said = state["invalid"]["recent"][0]
        equal((said["path"], said["rule"], said["code"]),
              ("/data/action", "/$defs/action/pattern", "invalid_format"))
        equal(set(state["limited"]), {"connection", "user", "route", "stage", "connect", "ping"})
        expect("hush" not in json.dumps(state) and "sesame" not in json.dumps(state), state)
        expect("demo" not in state, "a server has no levers")


# ---- the demonstration ----

def a_failing_downstream_opens_its_breaker_which_one_probe_closes():
    with Demo("--clients", "60") as demo:
        _until(demo, "clients arrive", lambda s: s["connections"]["open"] == 60)
        _until(demo, "calls go out", lambda s: _calls(s) > 20)
        equal(_pull(demo, "fail")[0], 200)
        opened = _until(demo, "the breaker opens", lambda s: _moves(s) == [("CLOSED", "OPEN")])
        refused = _until(demo, "calls are refused", lambda s: s["rejected"] > opened["rejected"])
        later = _until(demo, "more are refused", lambda s: s["rejected"] > refused["rejected"] + 10)
        equal(_calls(later), _calls(refused), "calls that went out while it was open")
        again = _until(demo, "a probe fails", lambda s: ("HALF_OPEN", "OPEN") in _moves(s))
        equal(_calls(again), _calls(refused) + 1, "exactly one probe")
        equal(again["demo"]["downstream"]["probes"], 1, "exactly one probe")
        equal(_pull(demo, "recover")[1]["mode"], "ok")
        closed = _until(demo, "the breaker closes", lambda s: ("HALF_OPEN", "CLOSED") in _moves(s))
        equal(_moves(closed),
              [("CLOSED", "OPEN"), ("OPEN", "HALF_OPEN"), ("HALF_OPEN", "OPEN"),
               ("OPEN", "HALF_OPEN"), ("HALF_OPEN", "CLOSED")])
        _until(demo, "calls go out again", lambda s: _calls(s) > _calls(closed))


def a_slow_downstream_opens_its_breaker_too_and_raises_an_alert():
    with Demo("--clients", "60") as demo:
        _until(demo, "calls go out", lambda s: _calls(s) > 20)
        _pull(demo, "slow")
        _until(demo, "the breaker opens", lambda s: ("CLOSED", "OPEN") in _moves(s))
        _until(demo, "an alert", lambda s: any(
            a["operation"] == "chat_message_processing" and a["metric"] == "duration"
            for a in s["monitor"]["alerts"]))


def clients_make_mistakes_and_hurry_into_their_limits():
    with Demo("--clients", "300") as demo:
        state = _until(demo, "mistakes and hurry", lambda s: s["invalid"]["total"] >= 2
                       and s["limited"]["ping"] >= 10)
        for said in state["invalid"]["recent"]:
            expect(said["path"] and said["rule"] and said["code"] and said["text"], said)


def the_same_seed_makes_the_same_choices():
    def mistakes(seed):
        with Demo("--clients", "20", "--seed", seed) as demo:
            state = _until(demo, "mistakes", lambda s: s["invalid"]["total"] >= 4)
            return [(r["path"], r["code"]) for r in state["invalid"]["recent"][:4]]
    first = mistakes("7")
    equal(mistakes("7"), first)
    expect(any(mistakes(seed) != first for seed in ("8", "9")), "three seeds, one choice")


def entities_of_a_dashboard_change_until_the_downstream_fails():
    with Demo("--app", "dashboard", "--clients", "8") as demo:
        done = wsrt("connect", demo.url, "--expect", "4", "--timeout", "30s",
                    "--send", '{"type":"auth","data":{"action":"login","token":"me"}}',
                    "--send", '{"type":"subscribe","data":{"filter":{"entity_type":["host"]}}}', timeout=40)
        equal(done.returncode, 0, done.stderr)
        expect('"entity_id":"h' in done.stdout, done.stdout)
        _pull(demo, "fail")
        _until(demo, "the breaker opens", lambda s: ("CLOSED", "OPEN") in _moves(s))


def the_lever_is_for_our_own_page_and_programs_of_this_machine():
    with Demo("--clients", "1") as demo:
        own = f"http://127.0.0.1:{demo.port}"
        path, body = "/api/demo/downstream", '{"mode":"fail"}'
        equal(_ask(demo, path, "POST", body, Origin="http://evil.example")[0], 403)
        equal(_ask(demo, path, "POST", body, X_Forwarded_For="1.2.3.4")[0], 403)
        equal(_state(demo)["demo"]["downstream"]["mode"], "ok")
        equal(_ask(demo, path, "POST", body, Origin=own)[0], 200)
        _until(demo, "it fails", lambda s: s["demo"]["downstream"]["mode"] == "failing")
        equal(_pull(demo, "explode"), (400, {"message": "mode is fail, slow or recover"}))
        equal(_ask(demo, path, "POST", "{")[0], 400)


def the_ready_line_is_that_of_serve_and_three_suggestions_follow():
    with Serve() as server, Demo("--clients", "1") as demo:
        equal(list(demo.ready), list(server.ready), "members of the ready line")
        equal(demo.end(), 0, "status")
        equal(demo.rest, "", "more lines on stdout")
        told = "".join(demo.log)
        equal(re.findall(r"^  (\d)  ", told, re.M), ["1", "2", "3"], told)
        expect(f"http://127.0.0.1:{demo.port}/" in told and "messages a second" in told, told)


def it_ends_by_itself_when_told_to():
    done = wsrt("demo", "--clients", "5", "--duration", "300ms")
    equal(done.returncode, 0, done.stderr)


def where_descriptors_are_short_it_says_with_how_many_clients_it_goes_on():
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))  # noqa: E731
    done = subprocess.run([WSRT, "demo", "--duration", "200ms"], capture_output=True, text=True,
                          timeout=30, env=CLEAN_ENV, preexec_fn=limit, check=False)
    equal(done.returncode, 0, done.stderr)
    expect("58 clients instead of 1000" in done.stderr, done.stderr)


def it_stays_on_this_machine():
    done = wsrt("demo", "--listen", "0.0.0.0:0")
    equal(done.returncode, 78)
    expect("0.0.0.0:0 is not loopback" in done.stderr, done.stderr)
    equal(wsrt("demo", "--listen", "unix:/tmp/x").returncode, 2)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
