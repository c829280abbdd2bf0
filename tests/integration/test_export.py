"""Black-box tests of `wsrt export`: six outputs that agree, judged by readers nobody here wrote."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import botocore.session
import botocore.validate
import jsonschema
import yaml

from exported import (CIRCUIT, DIMENSIONS, HANDLER, OPERATIONS, VARIANTS, alarms_of_cloudformation,
                      alarms_of_cloudwatch, alarms_of_rules, alarms_of_terraform,
                      body_of_cloudformation, body_of_terraform, export, expressions_of_grafana,
                      graphs_of_body, graphs_of_cloudwatch, graphs_of_grafana, rules)
from toolcase import WSRT, cases_of, equal, expect, main, wsrt

USAGE, INTERNAL, NO_CREATE, CONFIG = 2, 70, 73, 78
OUTPUTS = ("cloudwatch-dashboard", "cloudwatch-alarms", "cloudformation", "terraform", "grafana",
           "prometheus-rules")
WITH_ALARMS = ("cloudwatch-alarms", "cloudformation", "terraform", "prometheus-rules")
LIMITS = {"websocket_conversation": (5000, 104857600, 5),
          "websocket_connection": (2000, 52428800, 2),
          "authentication_jwt_verification": (3000, 20971520, 10),
          "chat_message_processing": (1000, 31457280, 5)}
KINDS = (("WebSocketDurationAlarm", "HandlerDuration", 60),
         ("WebSocketMemoryAlarm", "MemoryUsage", 60),
         ("WebSocketErrorRateAlarm", "ErrorRate", 300))
CIRCUITS = (("cognito", "verifyJWT"), ("apigateway-management", "postToConnection"),
            ("dynamodb", "storeUserMessage"), ("dynamodb", "storeBotMessage"),
            ("dynamodb", "storeConnection"), ("dynamodb", "removeConnection"))
DOCUMENT = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "exporting.md"
SCHEMAS = pathlib.Path(__file__).resolve().parent / "schemas"


class _File:
    """A configuration file for the time of a test."""

    def __init__(self, content):
        self.text = content if isinstance(content, str) else json.dumps(content)

    def __enter__(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            file.write(self.text)
        self.name = file.name
        return file.name

    def __exit__(self, *_):
        os.unlink(self.name)


def _complains(done, status, text):
    equal(done.returncode, status, done.stderr)
    equal(done.stdout, "", "stdout")
    expect(done.stderr.startswith("wsrt: ") and done.stderr.count("\n") == 1, repr(done.stderr))
    expect(text in done.stderr, f"{text!r} is not in {done.stderr!r}")


def _expected_limits(factor=1, ending=""):
    """The twelve alarms of operations as their table has them."""
    wanted = {}
    for operation, limits in LIMITS.items():
        of = "" if operation == "websocket_conversation" else "-" + operation
        for (name, metric, period), limit in zip(KINDS, limits):
            wanted[name + of + ending] = {
                "namespace": "WebSocket/Performance", "metric": metric,
                "dimensions": {"Handler": operation, "Environment": "dev"},
                "statistic": "Average", "period": period, "periods": 2,
                "threshold": limit * factor}
    return wanted


def _expected_own():
    wanted = {}
    for service, operation in CIRCUITS:
        wanted[f"CircuitOpenAlarm-{service}-{operation}"] = {
            "namespace": "WebSocket/Performance", "metric": "CircuitState",
            "dimensions": {"Service": service, "Operation": operation, "Environment": "dev"},
            "statistic": "Maximum", "period": 60, "periods": 1, "threshold": 2}
    wanted["StreamIteratorAgeAlarm"] = {
        "namespace": "WebSocket/Performance", "metric": "StreamIteratorAge",
        "dimensions": {"Handler": "stream_processor", "Environment": "dev"},
        "statistic": "Maximum", "period": 60, "periods": 3, "threshold": 60000}
    return wanted


# ---- what is written ----

def the_alarms_are_those_of_the_table():
    equal(alarms_of_cloudwatch(export("cloudwatch-alarms")),
          {**_expected_limits(), **_expected_own()})


def warnings_are_twins_at_four_fifths():
    equal(alarms_of_cloudwatch(export("cloudwatch-alarms", "--warning")),
          {**_expected_limits(), **_expected_limits(0.8, "-warning"), **_expected_own()})


def the_descriptions_are_those_of_the_table():
    texts = {a["AlarmName"]: a["AlarmDescription"] for a in json.loads(export("cloudwatch-alarms"))}
    equal(texts["WebSocketDurationAlarm"], "WebSocket handler taking too long to respond")
    equal(texts["WebSocketMemoryAlarm"], "WebSocket handler using too much memory")
    equal(texts["WebSocketErrorRateAlarm"], "WebSocket handler error rate too high")


def a_stream_function_adds_the_age_that_lambda_measures():
    found = alarms_of_cloudwatch(export("cloudwatch-alarms", "--stream-function", "my-reader"))
    equal(found["StreamFunctionIteratorAgeAlarm"],
          {"namespace": "AWS/Lambda", "metric": "IteratorAge",
           "dimensions": {"FunctionName": "my-reader"}, "statistic": "Maximum", "period": 60,
           "periods": 3, "threshold": 60000})
    equal(len(found), 20)


def the_dashboard_has_three_graphs_as_they_were_asked_for():
    def widget(y, title, *lines):
        return {"type": "metric", "x": 0, "y": y, "width": 12, "height": 6,
                "properties": {"view": "timeSeries", "title": title, "region": "us-east-1",
                               "stat": "Average", "period": 300,
                               "metrics": [["WebSocket/Performance", metric, "Handler", handler,
                                            "Environment", "dev"] for metric, handler in lines],
                               "yAxis": {}}}
    board = json.loads(export("cloudwatch-dashboard"))
    equal(board["DashboardName"], "WebSocket-Performance")
    equal(json.loads(board["DashboardBody"]), {"widgets": [
        widget(0, "Handler Duration", ("HandlerDuration", "websocket_conversation"),
               ("HandlerDuration", "websocket_connection")),
        widget(6, "Memory Usage", ("MemoryUsage", "websocket_conversation")),
        widget(12, "Error Rate", ("ErrorRate", "websocket_conversation"))]})


def the_full_dashboard_shows_all_that_is_published_for_graphs():
    lines = [line for _, lines in
             graphs_of_cloudwatch(export("cloudwatch-dashboard", "--full")).values()
             for line in lines]
    for operation in OPERATIONS:
        for statistic in ("Average", "p95", "p99"):
            expect(("WebSocket/Performance", "HandlerDuration",
                    (("Environment", "dev"), ("Handler", operation)), statistic) in lines,
                   operation, statistic)
    shown = {(namespace, metric) for namespace, metric, *_ in lines}
    for metric in ("CircuitState", "RateLimited", "ConnectionsActive", "MessageCount",
                   "StreamIteratorAge", "messagesPerMinute", "disconnectReasons.timeout",
                   "successRate", "databaseOperationsPerMessage"):
        expect(("WebSocket/Performance", metric) in shown, metric)
    equal({s for s in shown if s[0] != "WebSocket/Performance"},
          {("AWS/Lambda", "Invocations"), ("AWS/Lambda", "Errors"), ("AWS/Lambda", "IteratorAge"),
           ("AWS/DynamoDB", "ConsumedReadCapacityUnits"),
           ("AWS/DynamoDB", "ConsumedWriteCapacityUnits"), ("AWS/ApiGateway", "ConnectCount"),
           ("AWS/ApiGateway", "MessageCount"), ("AWS/ApiGateway", "IntegrationError")})


def every_line_and_alarm_has_the_dimensions_that_are_published():
    seen = set()
    for _, lines in graphs_of_cloudwatch(export("cloudwatch-dashboard", "--full")).values():
        for namespace, metric, dimensions, _ in lines:
            if namespace == "WebSocket/Performance":
                equal({name for name, _ in dimensions}, DIMENSIONS[metric], metric)
                expect(("Environment", "dev") in dimensions, metric)
                seen.add(DIMENSIONS[metric])
    for alarm in alarms_of_cloudwatch(export("cloudwatch-alarms", "--warning")).values():
        equal(set(alarm["dimensions"]), DIMENSIONS[alarm["metric"]], alarm["metric"])
    expect({HANDLER, CIRCUIT} < seen, seen)


# ---- agreement ----

def four_outputs_have_the_same_alarms():
    for variant in VARIANTS:
        environment = "prod" if "prod" in variant else "dev"
        wanted = alarms_of_cloudwatch(export("cloudwatch-alarms", *variant))
        equal(alarms_of_cloudformation(export("cloudformation", *variant), environment), wanted)
        equal(alarms_of_terraform(export("terraform", *variant), environment), wanted)
        ours = {n: a for n, a in wanted.items() if a["namespace"] == "WebSocket/Performance"}
        equal(alarms_of_rules(export("prometheus-rules", *variant)), ours)


def four_outputs_have_the_same_graphs():
    for variant in VARIANTS:
        values = {"environment": "prod"} if "prod" in variant else {}
        wanted = graphs_of_cloudwatch(export("cloudwatch-dashboard", *variant))
        equal(graphs_of_body(body_of_cloudformation(export("cloudformation", *variant), **values)),
              wanted)
        equal(graphs_of_body(body_of_terraform(export("terraform", *variant), **values)), wanted)
        ours = {title: graph for title, graph in wanted.items()
                if all(line[0] == "WebSocket/Performance" for line in graph[1])}
        equal(graphs_of_grafana(export("grafana", *variant), **values), ours)


def the_same_input_gives_the_same_bytes():
    for what in OUTPUTS:
        for variant in VARIANTS:
            first = export(what, *variant)
            equal(export(what, *variant, env={"LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo"}), first,
                  what)


def a_file_gets_the_same_bytes():
    with tempfile.TemporaryDirectory() as place:
        for what in OUTPUTS:
            path = os.path.join(place, what)
            for flag in ("-o", "--output"):
                equal(export(what, flag, path), "", what)
                text = pathlib.Path(path).read_text(encoding="utf-8")
                equal(text, export(what), what)
                expect(text.endswith("\n"), what)


# ---- flags ----

def the_environment_is_the_flag_then_the_variables_then_dev():
    def shown(*args, env=None):
        alarms = alarms_of_cloudwatch(export("cloudwatch-alarms", *args, env=env))
        return {a["dimensions"]["Environment"] for a in alarms.values()}
    without = {"ENVIRONMENT": ""}
    equal(shown(env=without), {"dev"})
    equal(shown(env={"ENVIRONMENT": "stage"}), {"stage"})
    equal(shown(env={"ENVIRONMENT": "stage", "WSRT_ENVIRONMENT": "own"}), {"own"})
    equal(shown("--environment", "prod", env={"WSRT_ENVIRONMENT": "own"}), {"prod"})


def templates_take_the_environment_as_a_parameter():
    for environment in ("dev", "prod"):
        template = json.loads(export("cloudformation", "--environment", environment))
        equal(template["Parameters"]["Environment"]["Default"], environment)
        variables = json.loads(export("terraform", "--environment", environment))["variable"]
        equal(variables["environment"]["default"], environment)
    for what in ("cloudformation", "terraform"):
        once, again = (json.loads(export(what, "--environment", e)) for e in ("dev", "prod"))
        for part in (once, again):
            part.pop("Parameters", None)
            part.pop("variable", None)
        equal(once, again, what)


def the_region_is_that_of_every_graph():
    body = json.loads(export("cloudwatch-dashboard", "--region", "eu-west-3"))["DashboardBody"]
    equal({w["properties"]["region"] for w in json.loads(body)["widgets"]}, {"eu-west-3"})
    body = body_of_cloudformation(export("cloudformation"), region="ap-south-1")
    equal({w["properties"]["region"] for w in json.loads(body)["widgets"]}, {"ap-south-1"})
    body = body_of_terraform(export("terraform"), region="ap-south-1")
    equal({w["properties"]["region"] for w in json.loads(body)["widgets"]}, {"ap-south-1"})


def a_suffix_ends_every_name():
    for what in ("cloudwatch-alarms", "prometheus-rules"):
        names = re.findall(r'(?:"AlarmName": |alert: )"([^"]+)"',
                           export(what, "--warning", "--name-suffix", "stage_2"))
        expect(len(names) > 30, len(names))
        expect(all(name.endswith("-stage_2") for name in names), names)
    for what, key in (("cloudwatch-dashboard", "DashboardName"), ("grafana", "uid")):
        equal(json.loads(export(what, "--name-suffix", "x"))[key], "WebSocket-Performance-x")
    equal(yaml.safe_load(export("prometheus-rules", "--name-suffix", "x"))["groups"][0]["name"],
          "WebSocket-Performance-x")


def operations_that_are_asked_for_take_the_place_of_the_built_in_ones():
    for given in (["--operations", "chat_message_processing,websocket_connection"],
                  ["--operations", "chat_message_processing", "--operations",
                   "websocket_connection", "--operations", "chat_message_processing"]):
        alarms = alarms_of_cloudwatch(export("cloudwatch-alarms", *given))
        equal({a["dimensions"].get("Handler") for a in alarms.values()},
              {"chat_message_processing", "websocket_connection", "stream_processor", None})
        for _, lines in graphs_of_cloudwatch(export("cloudwatch-dashboard", *given)).values():
            equal([dict(line[2])["Handler"] for line in lines],
                  ["chat_message_processing", "websocket_connection"])
    equal(export("cloudwatch-alarms", env={"WSRT_OPERATIONS": "websocket_connection"}),
          export("cloudwatch-alarms", "--operations", "websocket_connection"))


def an_operation_of_ones_own_needs_limits_to_be_watched_but_not_to_be_shown():
    for what in WITH_ALARMS:
        _complains(wsrt("export", what, "--operations", "orders"), USAGE,
                   "'orders' has no limits: see --config")
    for what in ("cloudwatch-dashboard", "grafana"):
        expect("orders" in export(what, "--operations", "orders"), what)


def the_part_is_monitoring_unless_told_otherwise():
    for what in ("cloudformation", "terraform"):
        equal(export(what, "--part", "monitoring"), export(what), what)
        _complains(wsrt("export", what, "--part", "tables"), USAGE,
                   "'tables' is not one of monitoring|functions|all")


# ---- the configuration file ----

TEAM = {"title": "Chat team", "widgets": [
    {"row": "duration", "operations": ["chat_message_processing"], "stat": "p99.9",
     "place": {"x": 12, "y": 0, "width": 12, "height": 4}},
    {"row": "ErrorRate", "title": "What fails"},
    {"row": "CircuitState"},
    {"row": "limiter"}]}


def a_dashboard_of_ones_own_has_its_title_rows_and_places():
    with _File(TEAM) as path:
        board = json.loads(export("cloudwatch-dashboard", "--config", path))
        equal(board["DashboardName"], "Chat-team")
        graphs = graphs_of_body(board["DashboardBody"])
        equal({title: place for title, (place, _) in graphs.items()},
              {"duration p99.9": (12, 0, 12, 4), "What fails": (0, 4, 12, 6),
               "CircuitState": (12, 4, 12, 6), "limiter": (0, 10, 12, 6)})
        equal(graphs["duration p99.9"][1],
              [("WebSocket/Performance", "HandlerDuration",
                (("Environment", "dev"), ("Handler", "chat_message_processing")), "p99.9")])
        equal([line[1] for line in graphs["limiter"][1]],
              ["LimiterTableFull", "RateLimitShadow", "RateLimited"])
        equal(graphs_of_grafana(export("grafana", "--config", path)), graphs)
        equal(json.loads(export("grafana", "--config", path))["title"], "Chat team")


def limits_of_the_file_replace_and_add_alarms():
    with _File({"limits": {"orders": {"duration": 800, "error-rate": 3},
                           "websocket_conversation": {"duration": 4000}}}) as path:
        found = alarms_of_cloudwatch(export("cloudwatch-alarms", "--warning", "--config", path))
        equal(found["WebSocketDurationAlarm"]["threshold"], 4000)
        equal(found["WebSocketDurationAlarm-warning"]["threshold"], 3200)
        equal(found["WebSocketMemoryAlarm"]["threshold"], 104857600)
        equal({n: a["threshold"] for n, a in found.items() if "orders" in n},
              {"WebSocketDurationAlarm-orders": 800, "WebSocketDurationAlarm-orders-warning": 640,
               "WebSocketErrorRateAlarm-orders": 3, "WebSocketErrorRateAlarm-orders-warning": 2.4})
        equal(found["WebSocketDurationAlarm-orders"]["dimensions"],
              {"Handler": "orders", "Environment": "dev"})
        equal(alarms_of_rules(export("prometheus-rules", "--warning", "--config", path)), found)


def resource_ids_are_letters_and_digits_and_unique():
    limits = {name: {"duration": 1} for name in ("a_b", "ab", "a.b", "a-b")}
    with _File({"limits": limits}) as path:
        resources = json.loads(export("cloudformation", "--config", path))["Resources"]
        own = {k for k, r in resources.items() if "-a" in r["Properties"].get("AlarmName", "")
               and r["Properties"]["MetricName"] == "HandlerDuration"
               and not r["Properties"]["AlarmName"].startswith("WebSocketDurationAlarm-auth")}
        equal(own, {"WebSocketDurationAlarmab", "WebSocketDurationAlarmab2",
                    "WebSocketDurationAlarmab3", "WebSocketDurationAlarmab4"})
        for key in resources:
            expect(re.fullmatch("[A-Za-z0-9]{1,255}", key), key)
        expect("WebSocketPerformanceDashboard" in resources)
        found = json.loads(export("terraform", "--config", path))["resource"]
        equal(set(found["aws_cloudwatch_metric_alarm"]) | set(found["aws_cloudwatch_dashboard"]),
              set(resources))


def placeholders_in_a_title_stay_text():
    title = 'a ${Environment} %{if} $${x} "b" \\ ü'
    with _File({"title": title, "widgets": [{"row": "load", "title": title}]}) as path:
        for body in (json.loads(export("cloudwatch-dashboard", "--config", path))["DashboardBody"],
                     body_of_cloudformation(export("cloudformation", "--config", path)),
                     body_of_terraform(export("terraform", "--config", path))):
            equal(list(graphs_of_body(body)), [title])


def a_bad_file_is_told_with_pointer_and_rule():
    board = {"title": "t", "widgets": [{"row": "load"}]}

    def widget(**members):
        return {"title": "t", "widgets": [{"row": "load"}, {"row": "duration", **members}]}
    table = [
        ("", ": byte 0: "), ("{", ": byte 1: "), ("[]", ": /: is not an object"),
        ({"titel": "t"}, ": /titel: unknown member: did you mean title?"),
        ({"colour~/": 1}, ": /colour~0~1: unknown member\n"),
        ('{"limits":{},"limits":{}}', ": /limits: is there twice"),
        ({"title": "t"}, ": /: a dashboard of your own needs a title and widgets"),
        ({"widgets": [{"row": "load"}]}, ": /: a dashboard of your own needs a title and widgets"),
        ({**board, "title": 1}, ": /title: is not a string"),
        ({**board, "title": ""}, ": /title: is not a string of 1 to 255 bytes"),
        ({**board, "title": "x" * 256}, ": /title: is not a string of 1 to 255 bytes"),
        ({**board, "title": "!?"}, ": /title: has neither letter nor digit"),
        ({**board, "widgets": {}}, ": /widgets: is not an array"),
        ({**board, "widgets": []}, ": /widgets: is empty"),
        ({**board, "widgets": [1]}, ": /widgets/0: is not an object"),
        ({**board, "widgets": [{}]}, ": /widgets/0: needs a row"),
        ({**board, "widgets": [{"row": "load"}] * 501},
         ": /widgets/500: is one more than the 500 widgets"),
        ({**board, "widgets": [{"row": "speed"}]},
         ": /widgets/0/row: there is no such row or metric"),
        ({**board, "widgets": [{"row": "lastFailureTime"}]}, ": /widgets/0/row: there is no such"),
        (widget(stat="p95x"), ": /widgets/1/stat: is not Average, "),
        (widget(stat="p1000"), ": /widgets/1/stat: is not Average, "),
        (widget(stat="p99."), ": /widgets/1/stat: is not Average, "),
        (widget(stat=95), ": /widgets/1/stat: is not a string"),
        ({**board, "widgets": [{"row": "memory", "stat": "p95"}]},
         ": /widgets/0/stat: MemoryUsage has no p95"),
        ({**board, "widgets": [{"row": "calls", "stat": "Average"}]},
         ": /widgets/0/stat: ExternalCalls has no Average"),
        (widget(operations="x"), ": /widgets/1/operations: is not an array"),
        (widget(operations=[]), ": /widgets/1/operations: is empty"),
        (widget(operations=["a", "b c"]), ": /widgets/1/operations/1: is not 1 to 255 letters"),
        (widget(operations=["a"] * 65), ": /widgets/1/operations/64: is one too many"),
        ({**board, "widgets": [{"row": "circuit", "operations": ["a"]}]},
         ": /widgets/0/operations: CircuitState is not told by operation"),
        ({**board, "widgets": [{"row": "successRate", "operations": ["a"]}]},
         ": /widgets/0/operations: successRate is not told by operation"),
        (widget(place=[]), ": /widgets/1/place: is not an object"),
        (widget(place={"x": 0}), ": /widgets/1/place: needs x and y"),
        (widget(place={"x": 24, "y": 0}), ": /widgets/1/place/x: is not a whole number from 0 to 23"),
        (widget(place={"x": 13, "y": 0}), ": /widgets/1/place: goes beyond column 24"),
        (widget(place={"x": 0, "y": -1}), ": /widgets/1/place/y: is not a whole number"),
        (widget(place={"x": 0, "y": 0.5}), ": /widgets/1/place/y: is not a whole number"),
        (widget(place={"x": 0, "y": 0, "width": 0}), ": /widgets/1/place/width: is not a whole"),
        (widget(place={"x": 0, "y": 0, "height": 1001}), ": /widgets/1/place/height: is not a whole"),
        (widget(place={"x": 0, "y": 0, "depth": 1}), ": /widgets/1/place/depth: unknown member"),
        ({"limits": []}, ": /limits: is not an object"),
        ({"limits": {"a b": {}}}, ": /limits/a b: is not 1 to 255 letters"),
        ('{"limits": {"a\\u0000b": {}}}', ": /limits/a\\u0000b: is not 1 to 255 letters"),
        (widget(operations=["a\0b"]), ": /widgets/1/operations/0: is not 1 to 255 letters"),
        ({"limits": {"a": 1}}, ": /limits/a: is not an object"),
        ({"limits": {"a": {"speed": 1}}}, ": /limits/a/speed: unknown member"),
        ({"limits": {"a": {"duration": 0}}}, ": /limits/a/duration: is not a number above 0"),
        ({"limits": {"a": {"memory": "1"}}}, ": /limits/a/memory: is not a number above 0"),
        ({"limits": {"a": {"error-rate": 101}}},
         ": /limits/a/error-rate: is not a number above 0, at most 100"),
        (" " * ((1 << 20) + 1), ": is longer than 1 MiB"),
    ]
    for content, wanted in table:
        with _File(content) as path:
            for what in ("cloudwatch-dashboard", "prometheus-rules"):
                _complains(wsrt("export", what, "--config", path), CONFIG, path + wanted)


def the_greatest_dashboard_is_still_written():
    with _File({"title": "t", "widgets": [{"row": "load"}] * 500}) as path:
        body = json.loads(export("cloudwatch-dashboard", "--config", path))["DashboardBody"]
        equal(len(json.loads(body)["widgets"]), 500)


def a_statistic_that_prometheus_does_not_keep_is_refused_there_only():
    for row, statistic, metric in (("memory", "Maximum", "MemoryUsage"),
                                   ("AWS/Lambda", "Sum", "Invocations")):
        with _File({"title": "t", "widgets": [{"row": "load"}, {"row": row, "stat": statistic}]}
                   if row == "memory" else
                   {"title": "t", "widgets": [{"row": "load"}, {"row": row}]}) as path:
            _complains(wsrt("export", "grafana", "--config", path), CONFIG,
                       f"{path}: /widgets/1: Prometheus has no {statistic} of {metric}")
            export("cloudwatch-dashboard", "--config", path)


# ---- what is refused ----

def a_wrong_command_line_is_a_usage_error():
    for args, text in ((["export"], "export needs cloudwatch-dashboard|"), (["export", "helm"], "there is no 'helm'"),
                       (["export", ""], "there is no ''"),
                       (["export", "grafana", "terraform"], "unexpected 'terraform'")):
        _complains(wsrt(*args), USAGE, text)


BAD = {"region": ("", "eu west", "x" * 33, "../x"),
       "environment": ("", "a b", 'a"', "a${b}", "ü", "x" * 256),
       "name-suffix": ("", "a b", "a.b", "x" * 65),
       "stream-function": ("", "a:b", "x" * 65), "config": ("",), "output": ("",),
       "operations": ("",), "part": ("", "monitor"), "schema": ("", "chat")}


def a_bad_value_is_a_usage_error_as_a_flag_and_a_setting_error_as_a_variable():
    for flag, values in BAD.items():
        for value in values:
            _complains(wsrt("export", "grafana", "--" + flag, value), USAGE, "--" + flag)
            if value != "" or flag != "operations":
                variable = "WSRT_" + flag.upper().replace("-", "_")
                _complains(wsrt("export", "grafana", env={variable: value}), CONFIG, variable)


def a_bad_operation_is_a_usage_error():
    for value in ("a b", "a,", ",a", "a,,b", "x" * 256, "ü", ",".join(f"o{i}" for i in range(65))):
        _complains(wsrt("export", "grafana", "--operations", value), USAGE, "--operations: ")


def a_bad_environment_of_the_host_is_a_setting_error():
    _complains(wsrt("export", "grafana", env={"ENVIRONMENT": "a b"}), CONFIG, "ENVIRONMENT: 'a b'")


def a_graph_of_more_than_a_hundred_lines_is_refused():
    many = ",".join(f"o{i}" for i in range(51))
    _complains(wsrt("export", "cloudwatch-dashboard", "--full", "--operations", many), USAGE,
               "the graph 'Errors and Warnings' has more than 100 lines")
    export("cloudwatch-dashboard", "--full", "--operations", many.rsplit(",", 1)[0])


def an_alarm_name_of_more_than_255_bytes_is_refused():
    name = "x" * 232
    for length, status in ((231, 0), (232, USAGE)):
        with _File({"limits": {name[:length]: {"duration": 1, "error-rate": 1}}}) as path:
            equal(wsrt("export", "cloudwatch-alarms", "--config", path).returncode, status)


def files_that_cannot_be_read_or_made_are_told():
    _complains(wsrt("export", "grafana", "--config", "/nonexistent/c.json"), CONFIG,
               "cannot read '/nonexistent/c.json'")
    _complains(wsrt("export", "grafana", "--config", "/"), CONFIG, "cannot read '/'")
    _complains(wsrt("export", "grafana", "-o", "/nonexistent/out"), NO_CREATE,
               "cannot create '/nonexistent/out'")
    for args in (["cloudwatch-dashboard"], ["grafana", "--full"]):  # both below and above a buffer
        _complains(wsrt("export", *args, "-o", "/dev/full"), NO_CREATE, "cannot write '/dev/full'")


def a_full_disk_behind_stdout_is_an_error():
    for args in (["cloudwatch-dashboard"], ["grafana", "--full"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([WSRT, "export", *args], stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False)
        equal(done.returncode, INTERNAL, done.stderr)


# ---- readers nobody here wrote ----

def _promtool(*args):
    expect(shutil.which("promtool"), "promtool is missing: scripts/deps test")
    done = subprocess.run(["promtool", *args], capture_output=True, text=True, check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout


def promtool_accepts_the_rules():
    for variant in VARIANTS:
        with _File(export("prometheus-rules", *variant)) as path:
            expect("SUCCESS" in _promtool("check", "rules", path))


def promtool_accepts_every_expression_of_the_grafana_dashboard():
    listed = [e.replace("$__rate_interval", "5m") for e in expressions_of_grafana(
        export("grafana", "--full"))]
    expect(len(listed) > 50, len(listed))
    recorded = [{"record": f"r{i}", "expr": e} for i, e in enumerate(listed)]
    with _File({"groups": [{"name": "g", "rules": recorded}]}) as path:
        expect(f"{len(listed)} rules found" in _promtool("check", "rules", path))


def _fires(series, at, name, severity="critical", labels=None):
    """A case for promtool: the series, and whether the alert fires at a time."""
    alerts = [] if labels is None else [{"exp_labels": {**labels, "severity": severity}}]
    return {"interval": "15s", "input_series": series,
            "alert_rule_test": [{"eval_time": at, "alertname": name, "exp_alerts": alerts}]}


def _operation(name, values, more="", handler="websocket_conversation"):
    return {"series": f'{name}{{handler="{handler}",environment="dev"{more}}}', "values": values}


def _judge(cases):
    judged = {test["alertname"] for case in cases for test in case["alert_rule_test"]}
    without = yaml.safe_load(export("prometheus-rules", "--warning"))
    without["groups"][0]["rules"] = [
        {key: value for key, value in rule.items() if key != "annotations"}
        for rule in without["groups"][0]["rules"] if rule.get("alert") in judged or "record" in rule]
    with _File(without) as rule_file, \
            _File({"rule_files": [rule_file], "evaluation_interval": "15s", "tests": cases}) as path:
        expect("SUCCESS" in _promtool("test", "rules", path))


CONVERSATION = {"handler": "websocket_conversation", "environment": "dev"}


def prometheus_fires_the_duration_alarm_at_its_limit_after_two_minutes():
    def durations(seconds):
        # Four completions a scrape.
        return [_operation("wsrt_operation_duration_seconds_sum", f"0+{seconds * 4}x60"),
                _operation("wsrt_operation_duration_seconds_count", "0+4x60")]
    name, warning = "WebSocketDurationAlarm", "WebSocketDurationAlarm-warning"
    _judge([_fires(durations(5), "5m", name, labels=CONVERSATION),
            _fires(durations(5), "1m", name),
            _fires(durations(4.75), "5m", name),
            _fires(durations(4.75), "5m", warning, "warning", CONVERSATION),
            _fires(durations(3.75), "5m", warning)])


def prometheus_fires_the_error_rate_alarm_of_all_instances_together():
    def outcomes(errors):
        series = []
        for instance, bad in (("a", errors), ("b", 0)):
            more = f',instance="{instance}",outcome='
            series += [_operation("wsrt_operations_total", f"0+{100 - bad}x90", more + '"ok"'),
                       _operation("wsrt_operations_total", f"0+{bad}x90", more + '"error"')]
        return series
    name = "WebSocketErrorRateAlarm"
    _judge([_fires(outcomes(11), "20m", name, labels=CONVERSATION),
            _fires(outcomes(9), "20m", name)])


def prometheus_fires_for_an_open_circuit_at_once_and_for_no_other():
    def state(values):
        return [{"series": 'wsrt_circuit_state{service="dynamodb",operation="storeConnection",'
                           'environment="dev"}', "values": values}]
    name = "CircuitOpenAlarm-dynamodb-storeConnection"
    labels = {"service": "dynamodb", "operation": "storeConnection", "environment": "dev"}
    _judge([_fires(state("0 0 2 1 1"), "1m", name, labels=labels),
            _fires(state("0 0 1 1 1"), "1m", name),
            _fires(state("0 0 2 1 1"), "1m", "CircuitOpenAlarm-dynamodb-removeConnection")])


def prometheus_fires_for_an_old_stream_after_three_minutes():
    series = [_operation("wsrt_stream_iterator_age_seconds", "60x40", handler="stream_processor")]
    labels = {"handler": "stream_processor", "environment": "dev"}
    _judge([_fires(series, "1m45s", "StreamIteratorAgeAlarm"),
            _fires(series, "2m", "StreamIteratorAgeAlarm", labels=labels)])


def prometheus_fires_for_a_trend_against_the_day_before():
    def day(slow):
        # 75 minutes of 0.1 s, then 20 of `slow`; twenty completions a scrape.
        return [_operation("wsrt_operation_duration_seconds_sum", f"0+2x150 302+{slow * 20}x40"),
                _operation("wsrt_operation_duration_seconds_count", "0+20x191")]

    def at(slow, minutes, **wanted):
        case = _fires(day(slow), minutes, "WebSocketTrendAlarm",
                      labels=wanted.get("critical"))
        case["alert_rule_test"] += _fires([], minutes, "WebSocketTrendAlarm-warning", "warning",
                                          wanted.get("warning"))["alert_rule_test"]
        return {**case, "interval": "30s"}
    _judge([at(0.25, "95m", critical=CONVERSATION, warning=CONVERSATION),
            at(0.18, "95m", warning=CONVERSATION),
            at(0.25, "75m")])


def _aws_problems(shape, value, where):
    """What botocore's validator leaves to the service: lengths, ranges, patterns, words."""
    about = shape.metadata
    if shape.type_name == "structure":
        for name, member in value.items():
            yield from _aws_problems(shape.members[name], member, f"{where}/{name}")
    elif shape.type_name == "list":
        expect(len(value) <= about.get("max", len(value)), where)
        for i, item in enumerate(value):
            yield from _aws_problems(shape.member, item, f"{where}/{i}")
    elif shape.type_name == "string":
        if not about.get("min", 0) <= len(value) <= about.get("max", len(value)):
            yield f"{where}: {len(value)} characters"
        if shape.enum and value not in shape.enum:
            yield f"{where}: {value}"
        if "pattern" in about and not re.fullmatch(about["pattern"], value):
            yield f"{where}: {value}"
    elif shape.type_name == "integer" and value < about.get("min", value):
        yield f"{where}: {value}"


def _judge_call(model, operation, value):
    shape = model.operation_model(operation).input_shape
    report = botocore.validate.ParamValidator().validate(value, shape)
    equal(report.generate_report(), "", operation)
    equal(list(_aws_problems(shape, value, operation)), [])


def the_model_of_the_aws_sdk_accepts_alarms_and_dashboards():
    model = botocore.session.get_session().get_service_model("cloudwatch")
    for variant in VARIANTS:
        for alarm in json.loads(export("cloudwatch-alarms", *variant)):
            _judge_call(model, "PutMetricAlarm", alarm)
        _judge_call(model, "PutDashboard", json.loads(export("cloudwatch-dashboard", *variant)))


def _schema(name):
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def outputs_fit_the_schemas_of_their_formats():
    for variant in VARIANTS:
        for what in ("cloudformation", "terraform", "grafana"):
            _schema(what).validate(json.loads(export(what, *variant)))
        board = json.loads(export("cloudwatch-dashboard", *variant))
        _schema("cloudwatch-dashboard").validate(json.loads(board["DashboardBody"]))


def the_trend_rules_come_after_what_they_look_back_on():
    names = [r.get("alert") or r["record"] for r in rules(export("prometheus-rules"))]
    at = names.index("wsrt:operation_duration_seconds:mean1m")
    equal([n for n in names if "Trend" in n], names[at + 1:])
    equal(len(names[at + 1:]), 4)


# ---- completion ----

def _options():
    """(command, option) of every help text."""
    commands = re.findall(r"^  (\w+) ", wsrt("--help").stdout, re.M)
    return [(command, option) for command in commands for option in
            re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", wsrt(command, "--help").stdout, re.M)]


def _shell(shell, script, **files):
    expect(shutil.which(shell), f"{shell} is missing: scripts/deps test")
    with tempfile.TemporaryDirectory() as place:
        for name, text in files.items():
            pathlib.Path(place, name).write_text(text, encoding="utf-8")
        done = subprocess.run([shell, "-c", script], cwd=place, capture_output=True, text=True,
                              check=False, env={"PATH": os.environ["PATH"], "HOME": place})
    equal((done.returncode, done.stderr), (0, ""), script)
    return done.stdout.splitlines()


def _bash(*lines):
    """What bash offers at the end of each line of words."""
    script = ". ./completion; compopt() { :; }\n" + "".join(
        f"COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _wsrt; "
        'echo "${COMPREPLY[*]}"\n' for line in lines)
    return [line.split() for line in _shell("bash", script, completion=export("completion-bash"))]


def bash_completes_commands_options_and_choices():
    equal(_bash("wsrt se", "wsrt serve --app ''", "wsrt serve --lis", "wsrt export graf",
                "wsrt export grafana --env", "wsrt token ma", "wsrt export -o ''",
                "wsrt serve --listen ''"),
          [["serve"], ["chat", "dashboard", "echo"], ["--listen"], ["grafana"], ["--environment"], ["make"], [],
           []])


def bash_and_fish_complete_every_option():
    options = _options()
    expect(len(options) > 50, len(options))
    offered = _bash(*(f"wsrt {command} {option}" for command, option in options))
    for (command, option), words in zip(options, offered):
        expect(option in words, command, option)
    fish = _shell("fish", ". ./completion\n" + "".join(
        f"complete -C 'wsrt {command} --'\n" for command in dict.fromkeys(c for c, _ in options)),
        completion=export("completion-fish"))
    expect({o for _, o in options} - {"--help"} <= {line.split("\t")[0] for line in fish})


def fish_completes_commands_and_choices():
    def offered(line):
        return [w.split("\t")[0] for w in _shell("fish", f". ./completion; complete -C '{line}'",
                                                 completion=export("completion-fish"))]
    equal(offered("wsrt se"), ["serve"])
    equal(offered("wsrt serve --app "), ["chat", "dashboard", "echo"])
    equal(offered("wsrt token ma"), ["make"])
    equal(set(offered("wsrt export c")), {"cloudwatch-dashboard", "cloudwatch-alarms",
                                         "cloudformation", "config-schema", "completion-bash", "completion-zsh",
                                         "completion-fish"})


def zsh_reads_its_completion_which_names_every_option():
    text = export("completion-zsh")
    equal(_shell("zsh", "zsh -n ./completion", completion=text), [])
    for command, option in _options():
        part = text.split(f"\n    {command})\n")[1].split(";;")[0]
        expect(re.search(rf"(['*,]){option}[\[=}}]", part), command, option)


# ---- the document ----

def _documented():
    """Files, and commands with the output that the page shows for them."""
    text = DOCUMENT.read_text(encoding="utf-8")
    files = dict(re.findall(r"<!-- file: (\S+) -->\n```json\n(.*?)```", text, re.S))
    return files, re.findall(r"```console\n\$ wsrt ([^\n]+)\n(.*?)```", text, re.S)


def _pattern(shown):
    """A line of three dots stands for any lines, dots at the end of one for the rest of it."""
    parts = []
    for line in shown.splitlines():
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        elif line.endswith("..."):
            parts.append(re.escape(line[:-3]) + r".*\n")
        else:
            parts.append(re.escape(line) + r"\n")
    return "".join(parts)


def the_document_shows_what_the_tool_writes():
    files, commands = _documented()
    with tempfile.TemporaryDirectory() as place:
        for name, content in files.items():
            pathlib.Path(place, name).write_text(content, encoding="utf-8")
        for command, shown in commands:
            done = subprocess.run([WSRT, *command.split()], cwd=place, capture_output=True,
                                  text=True, check=False, env={"PATH": os.environ["PATH"]})
            expect(re.fullmatch(_pattern(shown), done.stdout + done.stderr), "wsrt", command)
    equal({command.split()[1] for command, _ in commands}, set(OUTPUTS))


def the_document_lists_every_row_and_metric():
    text = DOCUMENT.read_text(encoding="utf-8")
    for metric, dimensions in DIMENSIONS.items():
        if metric[0].isupper():
            row = next((r for r in text.splitlines() if r.startswith("|") and metric in r
                        and ("Environment" in r)), "")
            expect(all(name in row for name in dimensions), metric, row)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
