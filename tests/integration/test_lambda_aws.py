"""The functions that keep connections in DynamoDB and post through the Management API, as processes
against dynalite and a gateway of our own; botocore looks into the tables."""
import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import botocore.session

from exported import export
from lambdacase import Run, message
from stacked import of_cloudformation
from toolcase import cases_of, equal, expect, main

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1"}
CONNECTED_AT = int(time.time() * 1000) - 60000  # who is gone after that was there before
# A breaker that opens at the first failure.
HASTY = {"services": {"dynamodb": {"operations": {"storeConnection": {
    "failureThreshold": 1, "minimumRequestCount": 1}}}}}


class _Dynalite:
    """One for all cases; each takes tables of its own."""

    def __init__(self):
        self.process = subprocess.Popen([os.environ["WSRT_NODE"], os.environ["WSRT_DYNALITE"]],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = self.process.stdout.readline().strip()
        expect(port, "dynalite does not start; `scripts/deps test` installs it")
        self.url = f"http://127.0.0.1:{port}"
        self.made = 0
        session = botocore.session.get_session()
        session.set_credentials(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"])
        self.client = session.create_client("dynamodb", region_name="us-east-1",
                                            endpoint_url=self.url)

    def tables(self, shape):
        """Empty tables: the environment that names them."""
        self.made += 1
        prefix = f"t{self.made}"
        self.process.stdin.write(f"tables {prefix}\n")
        self.process.stdin.flush()
        equal(self.process.stdout.readline(), "made\n")
        return {**KEYS, "CONNECTIONS_TABLE_NAME": f"{prefix}-{shape.lower()}",
                "WEBSOCKET_MESSAGES_TABLE": f"{prefix}-messages",
                "WSRT_CONNECTIONS_SHAPE": shape, "AWS_ENDPOINT_URL_DYNAMODB": self.url}

    def items(self, table):
        return self.client.scan(TableName=table)["Items"]


class _Gateway(http.server.BaseHTTPRequestHandler):
    """The Management API: remembers posts, answers 410 to who is said to be gone."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        client = urllib.parse.unquote(self.path.removeprefix("/prod/@connections/"))
        signed = "/us-east-1/execute-api/aws4_request" in self.headers["Authorization"]
        status = 403 if not signed else 410 if client in self.server.gone else 200
        if status == 200:
            self.server.posts.append((client, json.loads(body)))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Gateway:
    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Gateway)
        self.server.daemon_threads = True
        self.server.posts, self.server.gone = [], set()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.env = {"WEBSOCKET_API_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}/prod"}
        self.posts, self.gone = self.server.posts, self.server.gone
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


_DYNAMO = _Dynalite()


def _nowhere():
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def _event(kind, client="c1=", user=None, **more):
    authorizer = {} if user is None else {"authorizer": {"userId": user, "principalId": user}}
    return {"requestContext": {"eventType": kind, "connectionId": client,
                               "connectedAt": CONNECTED_AT,
                               "identity": {"sourceIp": "203.0.113.9", "userAgent": "it/1"},
                               **authorizer}, **more}


def _statuses(run):
    return [body.get("statusCode") for _, body in run.results]


# ---- connect and disconnect ----

def connect_stores_a_connection_in_shape_a():
    env = _DYNAMO.tables("A")
    Run("connect-lambda", _event("CONNECT", user="ann"), WSRT_REQUIRE_AUTH="1", **env).results_are(
        ("invocation/r1/response", {"statusCode": 200}))
    (item,) = _DYNAMO.items(env["CONNECTIONS_TABLE_NAME"])
    key = {"S": "CONNECTION#c1="}
    equal({k: item[k] for k in ("PK", "SK", "connectionId", "userId", "connectedAt", "sourceIp",
                                "userAgent")},
          {"PK": key, "SK": key, "connectionId": {"S": "c1="}, "userId": {"S": "ann"},
           "connectedAt": {"N": str(CONNECTED_AT)}, "sourceIp": {"S": "203.0.113.9"},
           "userAgent": {"S": "it/1"}})
    expect(0 < int(item["ttl"]["N"]) < 10**11, "a time to live in seconds", item["ttl"])


def connect_stores_a_connection_in_shape_b():
    env = _DYNAMO.tables("B")
    Run("connect-lambda", _event("CONNECT"), **env).results_are(
        ("invocation/r1/response", {"statusCode": 200}))
    (item,) = _DYNAMO.items(env["CONNECTIONS_TABLE_NAME"])
    equal({k: item[k] for k in ("connectionId", "connected", "connectedAt")},
          {"connectionId": {"S": "c1="}, "connected": {"S": "true"},
           "connectedAt": {"N": str(CONNECTED_AT)}})
    expect("userId" not in item and "PK" not in item, item)


def connect_refuses_nobody_where_authentication_is_required():
    env = _DYNAMO.tables("A")
    for required, status, stored in (("1", 401, 0), ("", 200, 1)):
        run = Run("connect-lambda", _event("CONNECT"), WSRT_REQUIRE_AUTH=required, **env)
        equal(_statuses(run), [status], run.err)
        equal(len(_DYNAMO.items(env["CONNECTIONS_TABLE_NAME"])), stored)


def connect_takes_an_event_that_says_no_more_than_an_id():
    run = Run("connect-lambda", {"requestContext": {"connectionId": "c1="}}, **_DYNAMO.tables("A"))
    equal(_statuses(run), [200], run.err)


def connect_answers_500_when_the_connection_cannot_be_stored():
    env = _DYNAMO.tables("A")
    missing = Run("connect-lambda", _event("CONNECT"), **{**env, "CONNECTIONS_TABLE_NAME": "none"})
    equal(_statuses(missing), [500])
    expect("ResourceNotFoundException" in missing.err, missing.err)
    away = Run("connect-lambda", _event("CONNECT"),
               **{**env, "AWS_ENDPOINT_URL_DYNAMODB": _nowhere()})
    equal(_statuses(away), [500])


def connect_answers_503_while_the_breaker_of_the_store_is_open():
    """500 is the store's own failure; 503 says that it was not asked, and when to come again."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as settings:
        json.dump(HASTY, settings)
        settings.flush()
        run = Run("connect-lambda", _event("CONNECT"), _event("CONNECT", "c2="),
                  **{**_DYNAMO.tables("A"), "AWS_ENDPOINT_URL_DYNAMODB": _nowhere(),
                     "WSRT_BREAKERS": settings.name})
    equal(_statuses(run), [500, 503], run.err)
    error = json.loads(run.results[1][1]["body"])["error"]
    equal((error["code"], error["retryable"]), ("CIRCUIT_OPEN", True))
    expect(error["retryAfter"] > 0, error)


def developer_errors_are_shown_when_the_environment_says_so():
    env = _DYNAMO.tables("A")
    bodies = [Run("connect-lambda", _event("CONNECT"), WSRT_REQUIRE_AUTH="1",
                  WSRT_DEVELOPER_ERRORS=flag, **env).results[0][1]["body"] for flag in ("", "1")]
    expect(len(bodies[1]) > len(bodies[0]), bodies)
    equal(sum("suggestions" in body or "debug" in body for body in bodies), 1, bodies)


def disconnect_removes_the_record():
    for shape in "AB":
        env = _DYNAMO.tables(shape)
        Run("connect-lambda", _event("CONNECT"), _event("CONNECT", "c2="), **env)
        Run("disconnect-lambda", _event("DISCONNECT"), **env).results_are(
            ("invocation/r1/response", {"statusCode": 200}))
        (left,) = _DYNAMO.items(env["CONNECTIONS_TABLE_NAME"])
        equal(left["connectionId"], {"S": "c2="})


def disconnect_answers_200_whatever_happens():
    env = {**_DYNAMO.tables("A"), "AWS_ENDPOINT_URL_DYNAMODB": _nowhere()}
    run = Run("disconnect-lambda", {"requestContext": {"connectionId": "c1="}}, **env)
    equal((_statuses(run), run.status), ([200], 0), run.err)


def each_function_names_what_is_missing():
    for name, variables in (
            ("connect-lambda", "AWS_REGION, CONNECTIONS_TABLE_NAME"),
            ("disconnect-lambda", "AWS_REGION, CONNECTIONS_TABLE_NAME"),
            ("chat-lambda", "AWS_REGION, CONNECTIONS_TABLE_NAME, WEBSOCKET_MESSAGES_TABLE, "
                            "WEBSOCKET_API_ENDPOINT"),
            ("stream-processor", "AWS_REGION, CONNECTIONS_TABLE_NAME, WEBSOCKET_API_ENDPOINT")):
        run = Run(name)
        ((path, report),) = run.results
        equal((run.status, path, report["errorMessage"]),
              (78, "init/error", "missing environment variables: " + variables))


def a_shape_that_is_none_ends_the_start():
    run = Run("connect-lambda", **{**_DYNAMO.tables("A"), "WSRT_CONNECTIONS_SHAPE": "C"})
    equal((run.status, [path for path, _ in run.results]), (78, ["init/error"]), run.err)


# ---- breakers ----

def _settings(document):
    """An item that holds a document of breakers: the environment that names it."""
    env = _DYNAMO.tables("B")
    table = env["CONNECTIONS_TABLE_NAME"] + "-settings"
    _DYNAMO.client.create_table(
        TableName=table, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    _DYNAMO.client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    _DYNAMO.client.put_item(TableName=table, Item={"id": {"S": "breakers"},
                                                   "document": {"S": document}})
    return {**env, "WSRT_BREAKERS": f"dynamodb:{table}/breakers"}


def settings_of_breakers_may_be_an_item_of_a_table():
    env = _settings(json.dumps(HASTY))
    for name, second in ((env["WSRT_BREAKERS"], 503), ("", 500)):
        with Watch(fails="PutItem") as watch:
            run = Run("connect-lambda", _event("CONNECT"), _event("CONNECT", "c2="),
                      **{**env, **watch.env, "WSRT_BREAKERS": name})
        equal(_statuses(run), [500, second], run.err)


def settings_of_breakers_that_cannot_be_used_end_the_start():
    env = _settings('{"deflauts":{}}')
    for more in ("", "-that-is-not-there"):
        run = Run("connect-lambda", **{**env, "WSRT_BREAKERS": env["WSRT_BREAKERS"] + more})
        equal((run.status, [path for path, _ in run.results]), (78, ["init/error"]), run.err)


# ---- chat ----

def chat_stores_both_sides_and_posts_the_answer():
    env = _DYNAMO.tables("A")
    say = json.dumps({"type": "message", "data": {"action": "send", "message": "hé"}})
    with Gateway() as gateway:
        Run("connect-lambda", _event("CONNECT", user="ann"), **env)
        run = Run("chat-lambda", {**message(say, connectedAt=CONNECTED_AT,
                                            authorizer={"userId": "ann"})}, **env, **gateway.env)
        equal(_statuses(run), [200], run.err)
        equal([(to, m["type"]) for to, m in gateway.posts],
              [("c1=", "typing_indicator"), ("c1=", "typing_indicator"), ("c1=", "chat_response")])
        equal(gateway.posts[2][1]["data"]["content"], "You said: hé")
    stored = sorted(_DYNAMO.items(env["WEBSOCKET_MESSAGES_TABLE"]), key=lambda i: i["type"]["S"])
    equal([(i["type"]["S"], i["content"]["S"], i["userId"]["S"], i["connectionId"]["S"])
           for i in stored],
          [("bot", "You said: hé", "ann", "c1="), ("user", "hé", "ann", "c1=")])
    for item in stored:
        equal(item["timestamp#messageId"]["S"],
              f"{item['timestamp']['N']}#{item['messageId']['S']}")
        equal(int(item["ttl"]["N"]) - int(item["timestamp"]["N"]) // 1000, 86400)


def chat_answers_a_ping():
    with Gateway() as gateway:
        run = Run("chat-lambda", message('{"type":"ping","data":{"action":"now"}}'),
                  **_DYNAMO.tables("A"), **gateway.env)
        equal([m["type"] for _, m in gateway.posts], ["pong"], run.err)


def a_client_found_gone_loses_its_record_and_nothing_fails():
    env = _DYNAMO.tables("A")
    with Gateway() as gateway:
        gateway.gone.add("c2=")
        Run("connect-lambda", _event("CONNECT", "c1=", "ann"), _event("CONNECT", "c2=", "bob"),
            **env)
        say = json.dumps({"type": "message", "data": {"action": "broadcast", "message": "all"}})
        run = Run("chat-lambda", message(say, connectedAt=CONNECTED_AT,
                                         authorizer={"userId": "ann"}), **env, **gateway.env)
        equal(_statuses(run), [200], run.err)
        equal([to for to, _ in gateway.posts], ["c1="])
    (left,) = _DYNAMO.items(env["CONNECTIONS_TABLE_NAME"])
    equal(left["connectionId"], {"S": "c1="})


def a_client_that_may_be_arriving_keeps_its_record():
    """API Gateway says 410 until $connect has been answered, and the record is there before."""
    env = _DYNAMO.tables("B")
    arriving = _event("CONNECT", "c2=", "bob")
    arriving["requestContext"]["connectedAt"] = int(time.time() * 1000)
    say = json.dumps({"type": "message", "data": {"action": "broadcast", "message": "all"}})
    with Gateway() as gateway:
        gateway.gone.add("c2=")
        Run("connect-lambda", _event("CONNECT", "c1=", "ann"), arriving, **env)
        Run("chat-lambda", message(say, connectedAt=CONNECTED_AT,
                                   authorizer={"userId": "ann"}), **env, **gateway.env)
        gateway.gone.clear()
        Run("chat-lambda", message(say, connectedAt=CONNECTED_AT,
                                   authorizer={"userId": "ann"}), **env, **gateway.env)
        equal(sorted(to for to, _ in gateway.posts), ["c1=", "c1=", "c2="])


def a_broadcast_reaches_everybody_who_has_signed_in():
    say = json.dumps({"type": "message", "data": {"action": "broadcast", "message": "all"}})
    for shape in "AB":
        env = _DYNAMO.tables(shape)
        with Gateway() as gateway:
            Run("connect-lambda", _event("CONNECT", "c1=", "ann"), _event("CONNECT", "c2=", "bob"),
                _event("CONNECT", "c3="), **env)
            run = Run("chat-lambda", message(say, connectedAt=CONNECTED_AT,
                                             authorizer={"userId": "ann"}), **env, **gateway.env)
            equal(_statuses(run), [200], run.err)
            equal(sorted(to for to, _ in gateway.posts), ["c1=", "c2="])


# ---- rights ----

class _Watch(http.server.BaseHTTPRequestHandler):
    """Hands requests on to dynalite, but those that fail, and remembers which action each is on which table
    or index."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(body)
        action = self.headers["X-Amz-Target"].split(".")[1]
        self.server.asked.add((action, asked["TableName"], asked.get("IndexName")))
        if action == self.server.fails:
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        request = urllib.request.Request(_DYNAMO.url, body, {
            k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")})
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
            self.send_response(answer.status)
            for name in ("Content-Type", "x-amz-crc32"):
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Watch:
    """An endpoint of DynamoDB that knows what was asked, in the words of `wsrt export`'s roles, and may fail
    at one action."""

    def __init__(self, fails=None):
        self.fails = fails

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Watch)
        self.server.daemon_threads = True
        self.server.asked, self.server.fails = set(), self.fails
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.env = {"AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{self.server.server_port}"}
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def rights(self, env):
        names = {env["CONNECTIONS_TABLE_NAME"]: "<connections.arn>",
                 env["WEBSOCKET_MESSAGES_TABLE"]: "<messages.arn>"}
        return {(f"dynamodb:{action}", names[table] + (f"/index/{index}" if index else ""))
                for action, table, index in self.server.asked}


def _a_busy_life(watch, env):
    """What each function is asked in it, and the rights that it used."""
    longer = {**env, "WSRT_IDLE_TTL_S": "7200"}  # the record is due to be moved by the first message
    say = [message(json.dumps(m), connectedAt=CONNECTED_AT, **who)
           for who in ({"authorizer": {"userId": "ann"}}, {})
           for m in ({"type": "message", "data": {"action": "send", "message": "hi"}},
                     {"type": "message", "data": {"action": "broadcast", "message": "all"}},
                     {"type": "ping", "data": {"action": "now"}})]
    with Gateway() as gateway:
        gateway.gone.add("c2=")
        for role, name, events in (
                ("connect", "connect-lambda", [_event("CONNECT", "c1=", "ann"),
                                               _event("CONNECT", "c2=", "bob")]),
                ("subscribe", "stream-processor", [_subscribe("stream")]),
                ("chat", "chat-lambda", say),
                ("stream-processor", "stream-processor", [_changes("1.50")]),
                ("disconnect", "disconnect-lambda", [_event("DISCONNECT")])):
            watch.server.asked = set()
            run = Run(name, *events, **{**(longer if role == "chat" else env), **gateway.env})
            expect("INTERNAL" not in run.err, run.err)
            yield role, watch.rights(env)


def each_function_asks_for_no_more_than_its_role_allows():
    template = json.loads(export("cloudformation", "--part", "functions"))
    for shape in "AB":
        roles = of_cloudformation(template, TableShape=shape, ArtifactBucket="a")["roles"]
        with Watch() as watch:
            env = {**_DYNAMO.tables(shape), **watch.env}
            for role, used in _a_busy_life(watch, env):
                allowed = {r for r in roles[f"<role {role}>"] if r[0].startswith("dynamodb:")}
                equal(used - allowed, set(), f"{role}, shape {shape}")
                if role in ("connect", "disconnect"):
                    equal(used, allowed)
                if role == "chat":  # whose messages nobody reads back yet
                    equal(allowed - used, {("dynamodb:Query", "<messages.arn>")})


# ---- a table's stream ----

def _changes(*values):
    return {"Records": [
        {"eventID": str(n), "eventName": "INSERT", "eventSource": "aws:dynamodb",
         "dynamodb": {"ApproximateCreationDateTime": 1795168831, "SequenceNumber": str(100 + n),
                      "Keys": {"entity_id": {"S": "s1"}},
                      "NewImage": {"entity_id": {"S": "s1"}, "entity_type": {"S": "stream"},
                                   "metric_value": {"N": value}}}}
        for n, value in enumerate(values)]}


def _subscribe(kind):
    return message(json.dumps({"type": "subscribe", "data": {
        "filter": {"entity_type": [kind]}}}))


def the_stream_processor_tells_who_has_subscribed():
    for shape in "AB":
        env = _DYNAMO.tables(shape)
        with Gateway() as gateway:
            Run("connect-lambda", _event("CONNECT", "c1="), _event("CONNECT", "c2="), **env)
            run = Run("stream-processor", _subscribe("stream"), _changes("1.50"), **env,
                      **gateway.env)
            equal(run.results[1], ("invocation/r2/response", {"batchItemFailures": []}), run.err)
            equal([(to, m["type"]) for to, m in gateway.posts],
                  [("c1=", "system"), ("c1=", "METRICS_UPDATE")], run.err)
            equal(gateway.posts[1][1]["updates"][0]["data"]["metric_value"], 1.5)


def without_its_table_the_stream_keeps_the_batch():
    with Gateway() as gateway:
        env = {**_DYNAMO.tables("B"), "AWS_ENDPOINT_URL_DYNAMODB": _nowhere()}
        run = Run("stream-processor", _changes("1", "2"), **env, **gateway.env)
        equal(run.results, [("invocation/r1/response",
                             {"batchItemFailures": [{"itemIdentifier": "100"}]})], run.err)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
