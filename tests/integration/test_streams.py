"""Black-box tests of `wsrt serve --app dashboard`: who publishes what, and who gets it."""
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile

from toolcase import CLEAN_ENV, WSRT, Serve, cases_of, equal, expect, main, wsrt

OK, CONFIG = 0, 78
DOCUMENT = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "streams.md"


def _post(port, body, path="/api/publish", **headers):
    """Status and body of a POST."""
    fields = {"Host": f"127.0.0.1:{port}", "Connection": "close",
              "Content-Length": len(body.encode()), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
        answer = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    head, _, text = answer.partition("\r\n\r\n")
    return int(head.split()[1]), text


def _update(kind, name, value):
    return {"data": {"entity_type": kind, "entity_id": name, "v": value}}


def _publish(server, *updates):
    status, text = _post(server.port, "\n".join(json.dumps(u) for u in updates))
    equal(status, 200, text)
    report = json.loads(text)
    equal(report["updates"], len(updates))
    return report


def _subscription(filter_, **more):
    return json.dumps({"type": "subscribe", "data": {"filter": filter_, **more}})


class _Subscriber:
    """A `wsrt connect` that has subscribed, and takes so many messages beside the answer."""

    def __init__(self, server, filter_, messages, **more):
        self.process = subprocess.Popen(
            [WSRT, "connect", "--send", _subscription(filter_, **more), "--expect",
             str(messages + 1), server.url], stdout=subprocess.PIPE, text=True, env=CLEAN_ENV)
        self.before = []
        while True:
            line = self.process.stdout.readline()
            expect(line, "connect ended before it had subscribed")
            message = json.loads(line)
            if message["type"] == "system":
                break
            self.before += self._values(message)

    @staticmethod
    def _values(message):
        equal(message["type"], "METRICS_UPDATE")
        return [(u["data"]["entity_id"], u["data"]["v"]) for u in message["updates"]]

    def heard(self):
        """What came behind the answer, as (entity, value)."""
        rest, _ = self.process.communicate(timeout=20)
        equal(self.process.returncode, OK, rest)
        return [value for line in rest.splitlines() for value in self._values(json.loads(line))]


def _has_sqlite():
    done = wsrt("serve", "--listen", "127.0.0.1:0", "--store", "sqlite:/nonexistent/x")
    return "without SQLite" not in done.stderr


# ---- who gets what ----

def each_subscriber_gets_what_its_filter_lets_through():
    with Serve("--app", "dashboard") as server:
        everything = _Subscriber(server, {}, 4)
        hosts = _Subscriber(server, {"entity_type": ["host", "end"]}, 3)
        high = _Subscriber(server, {"v": {"gte": 10}}, 2)
        removed = _Subscriber(server, {"eventType": ["REMOVE"]}, 1)
        equal(_publish(server, _update("host", "h1", 1))["sent"], 2)
        equal(_publish(server, _update("disk", "d1", 12))["sent"], 2)
        equal(_publish(server, _update("host", "h2", 9.5))["sent"], 2)
        report = _publish(server, {**_update("end", "e", 99), "eventType": "REMOVE"})
        equal((report["sent"], report["attempted"], report["failed"]), (4, 4, 0))
        equal(everything.heard(), [("h1", 1), ("d1", 12), ("h2", 9.5), ("e", 99)])
        equal(hosts.heard(), [("h1", 1), ("h2", 9.5), ("e", 99)])
        equal(high.heard(), [("d1", 12), ("e", 99)])
        equal(removed.heard(), [("e", 99)])
        equal(server.end(), OK)


def who_has_left_gets_nothing_and_costs_nobody_anything():
    with Serve("--app", "dashboard") as server:
        stays = _Subscriber(server, {}, 1)
        leaves = _Subscriber(server, {}, 0)
        equal(leaves.heard(), [])
        report = _publish(server, _update("host", "h1", 1))
        equal((report["sent"], report["failed"]), (1, 0), report)
        equal(stays.heard(), [("h1", 1)])


def coalesced_updates_are_the_last_of_each_entity():
    with Serve("--app", "dashboard", "--coalesce", "300ms") as server:
        subscriber = _Subscriber(server, {}, 1)
        report = _publish(server, *(_update("host", "h1", v) for v in range(20)),
                          _update("host", "h2", 7))
        equal(report["sent"], 0)
        equal(subscriber.heard(), [("h1", 19), ("h2", 7)])


def a_dashboard_with_tokens_is_for_those_who_signed_in():
    with Serve("--app", "dashboard", "--dev-token", "sesame=ali") as server:
        done = wsrt("connect", "--send", _subscription({}), "--expect", "1", server.url)
        expect("UNAUTHENTICATED_CONNECTION" in done.stdout, done.stdout)
        done = wsrt("connect", "--token", "sesame", "--send", _subscription({}), "--expect", "1",
                    server.url)
        expect('"subscribed"' in done.stdout, done.stdout)


# ---- snapshots ----

def a_snapshot_shows_what_holds_and_then_comes_what_changes():
    with Serve("--app", "dashboard") as server:
        _publish(server, _update("host", "h1", 1), _update("host", "h2", 2),
                 _update("disk", "d1", 3))
        _publish(server, _update("host", "h1", 4))
        subscriber = _Subscriber(server, {"entity_type": ["host"]}, 2, snapshot=True)
        equal(sorted(subscriber.before), [("h1", 4), ("h2", 2)])
        _publish(server, _update("host", "h2", 5))
        equal(subscriber.heard(), [("h2", 5)])


def latest_values_survive_kill_9_in_a_file():
    if not _has_sqlite():
        return
    with tempfile.TemporaryDirectory() as folder:
        store = ("--app", "dashboard", "--store", "sqlite:" + os.path.join(folder, "latest.db"))
        with Serve(*store) as server:
            _publish(server, _update("host", "h1", 1), _update("host", "h2", 2))
            _publish(server, {**_update("host", "h1", 1), "eventType": "REMOVE"})
            equal(server.end(signal.SIGKILL), -signal.SIGKILL)
        with Serve(*store) as server:
            subscriber = _Subscriber(server, {}, 2, snapshot=True)
            equal(subscriber.before, [("h2", 2)])
            _publish(server, _update("host", "h2", 3))
            equal(subscriber.heard(), [("h2", 3)])
            equal(server.end(), OK)


# ---- what is refused ----

def an_update_with_a_fault_is_400_with_place_and_rule():
    with Serve("--app", "dashboard") as server:
        good = json.dumps(_update("host", "h1", 1))
        status, text = _post(server.port, good + '\n{"data":7}')
        equal(status, 400)
        error = json.loads(text)["error"]
        equal(error["code"], "INVALID_UPDATE")
        equal(error["issues"][0]["message"], "an update has an object data")
        equal(error["issues"][0]["offset"], len(good) + 1)
        equal(_Subscriber(server, {}, 0, snapshot=True).before, [])


def only_programs_of_this_machine_publish():
    good = json.dumps(_update("host", "h1", 1))
    with Serve("--app", "dashboard") as server:
        for headers in ({"Origin": server.ready["http"]}, {"X-Forwarded-For": "1.2.3.4"},
                        {"Host": "evil.example"}):
            equal(_post(server.port, good, **headers)[0], 403, headers)
    with Serve("--app", "chat") as server:
        equal(_post(server.port, good)[0], 404)


def coalesce_is_for_the_dashboard():
    done = wsrt("serve", "--app", "chat", "--coalesce", "1s")
    equal((done.returncode, done.stdout), (CONFIG, ""))
    expect("--coalesce" in done.stderr, done.stderr)


# ---- the document ----

def _pattern(shown):
    """Dots at the end of a line stand for the rest of it."""
    lines = (re.escape(line[:-3]) + ".*" if line.endswith("...") else re.escape(line)
             for line in shown.splitlines())
    return "\n".join(lines) + "\n?"


def the_walk_in_the_document_goes_as_shown():
    if not _has_sqlite():
        return
    text = DOCUMENT.read_text(encoding="utf-8")
    steps = re.findall(r"```console\n\$ (.*?[^\\])\n(.*?)```", text, re.S)
    place, server = tempfile.TemporaryDirectory(), None
    for command, shown in steps:
        words = shlex.split(command)
        if words[:2] == ["wsrt", "serve"]:
            if server is not None:
                equal(server.end(), OK)
            server = Serve(*(w.replace("sqlite:", f"sqlite:{place.name}/") for w in words[2:]))
            continue
        if words[0] == "curl":
            equal(words[-1], "http://127.0.0.1:8080/api/publish")
            got = _post(server.port, words[words.index("--data") + 1])[1]
        else:
            got = wsrt(*(server.url if w.startswith("ws://") else w for w in words[1:])).stdout
        expect(re.fullmatch(_pattern(shown), got), command, "\n", shown, "\n", got)
    equal(server.end(), OK)
    place.cleanup()
    expect(len(steps) >= 5, "steps shown")


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
