"""Every row of the catalogue of metrics, from who publishes it to the alarms and graphs that look at it:
one name, one unit, one set of dimensions."""
import collections
import json
import subprocess
import sys

from exported import (alarms_of_cloudformation, alarms_of_cloudwatch, alarms_of_terraform,
                      body_of_cloudformation, body_of_terraform, export, graphs_of_body,
                      graphs_of_cloudwatch)
from toolcase import cases_of, equal, expect, main

DRIVER = sys.argv.pop(1)
EMF, CLOUDWATCH = 4, 5
OURS = "WebSocket/Performance"
HANDLER = ("Environment", "Handler")
CIRCUIT = ("Environment", "Operation", "Service")
SCOPE = ("Environment", "Scope")
TABLE = ("Environment", "TableName")
ALONE = ("Environment",)
OPERATIONS = ("websocket_conversation", "websocket_connection", "authentication_jwt_verification",
              "chat_message_processing")
CIRCUITS = (("cognito", "verifyJWT"), ("apigateway-management", "postToConnection"),
            ("dynamodb", "storeUserMessage"), ("dynamodb", "storeBotMessage"),
            ("dynamodb", "storeConnection"), ("dynamodb", "removeConnection"))

# ---- the rows, written down here a second time on purpose ----
#
# names | unit | dimensions | form | in how many alarms, with their warnings | in the full dashboard


def _rows(names, unit, dimensions, form, alarms=0, shown=True):
    return {name: (unit, dimensions, form, alarms, shown) for name in names.split()}


ROWS = {
    **_rows("HandlerDuration", "Milliseconds", HANDLER, "values", alarms=8),
    **_rows("MemoryUsage", "Bytes", HANDLER, "set", alarms=8),
    **_rows("ErrorRate", "Percent", HANDLER, "set", alarms=8),
    **_rows("Success", "Count", HANDLER, "set", shown=False),
    **_rows("ErrorCount WarningCount ExternalCalls DatabaseCalls", "Count", HANDLER, "number"),
    **_rows("RequestSize ResponseSize", "Bytes", HANDLER, "set", shown=False),
    **_rows("CpuUsage", "Percent", HANDLER, "set", shown=False),
    **_rows("InFlight", "Count", HANDLER, "number"),
    **_rows("Saturation", "Percent", HANDLER, "number", shown=False),
    **_rows("messagesPerMinute connectionsPerMinute verificationAttemptsPerMinute "
            "messagesProcessedPerMinute", "Count", HANDLER, "number"),
    **_rows("messageTypes.auth messageTypes.message messageTypes.ping disconnectReasons.normal "
            "disconnectReasons.error disconnectReasons.timeout errorTypes.MISSING_TOKEN "
            "errorTypes.TOKEN_EXPIRED errorTypes.INVALID_TOKEN errorTypes.other", "Count", HANDLER,
            "number"),
    **_rows("averageMessageLength", "None", HANDLER, "number"),
    **_rows("databaseOperationsPerMessage", "Count", HANDLER, "number"),
    **_rows("authenticationSuccessRate successRate", "Percent", HANDLER, "number"),
    **_rows("averageConnectionDuration averageProcessingTime", "Milliseconds", HANDLER, "number"),
    **_rows("CircuitState", "None", CIRCUIT, "number", alarms=6),
    **_rows("CircuitFailureRate", "Percent", CIRCUIT, "number"),
    **_rows("CircuitRejected", "Count", CIRCUIT, "number"),
    **_rows("CircuitFailures CircuitSuccesses CircuitRequests CircuitTransitions", "Count", CIRCUIT,
            "number", shown=False),
    **_rows("ConnectionsActive ConnectCount DisconnectCount MessageCount IntegrationErrors "
            "SendFailures StaleConnectionsRemoved", "Count", ALONE, "number"),
    **_rows("ProcessResidentBytes", "Bytes", ALONE, "number"),
    **_rows("RateLimited RateLimitShadow LimiterTableFull", "Count", SCOPE, "number"),
    **_rows("StreamIteratorAge", "Milliseconds", HANDLER, "number", alarms=1),
    **_rows("ConsumedReadCapacityUnits ConsumedWriteCapacityUnits", "Count", TABLE, "number"),
    **_rows("UnguardedCalls Redactions SeriesDropped ExportDropped ExportApproximated AttributesDropped "
            "ClockBackwards", "Count", ALONE, "number", shown=False),
}
# AWS publishes these itself: names, dimensions.
AWS_ROWS = {
    "AWS/Lambda": ("Invocations Errors IteratorAge", ("FunctionName",)),
    "AWS/DynamoDB": ("ConsumedReadCapacityUnits ConsumedWriteCapacityUnits", ("TableName",)),
    "AWS/ApiGateway": ("ConnectCount MessageCount IntegrationError", ("ApiId", "Stage")),
}
# Limits of the operations: ms, bytes, percent.
LIMITS = dict(zip(OPERATIONS, ((5000, 104857600, 5), (2000, 52428800, 2), (3000, 20971520, 10),
                               (1000, 31457280, 5))))

Datum = collections.namedtuple("Datum", "name unit dimensions form")


# ---- what is published ----

def _documents(kind):
    done = subprocess.run([DRIVER, str(kind)], capture_output=True, text=True, timeout=60, check=False)
    equal((done.returncode, done.stderr), (0, ""))
    return [json.loads(line) for line in done.stdout.splitlines()]


def _of_put_metric_data():
    for body in _documents(CLOUDWATCH):
        equal(body["Namespace"], OURS)
        for d in body["MetricData"]:
            form = "values" if "Values" in d else "set" if "StatisticValues" in d else "number"
            dimensions = tuple(sorted((x["Name"], x["Value"]) for x in d["Dimensions"]))
            equal(len(dict(dimensions)), len(dimensions), d["MetricName"])
            yield Datum(d["MetricName"], d["Unit"], dimensions, form)


def _of_emf():
    for line in _documents(EMF):
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        equal(directive["Namespace"], OURS)
        (names,) = directive["Dimensions"]
        dimensions = tuple(sorted((n, line[n]) for n in names))
        for metric in directive["Metrics"]:
            target = line[metric["Name"]]
            form = "values" if isinstance(target, list) else "set" if isinstance(target, dict) else "number"
            if metric["Name"] == "HandlerDuration":
                form = "values" # beyond 1,000 events their statistics
            yield Datum(metric["Name"], metric["Unit"], dimensions, form)


# ---- what looks at it ----

def _alarms():
    flags = ("--warning", "--stream-function", "reader")
    listed = alarms_of_cloudwatch(export("cloudwatch-alarms", *flags))
    equal(alarms_of_cloudformation(export("cloudformation", *flags)), listed)
    equal(alarms_of_terraform(export("terraform", *flags)), listed)
    return listed


def _lines():
    """Of the full dashboard: namespace, metric, dimensions, statistic."""
    boards = [graphs_of_cloudwatch(export("cloudwatch-dashboard", "--full")),
              graphs_of_body(body_of_cloudformation(export("cloudformation", "--full"))),
              graphs_of_body(body_of_terraform(export("terraform", "--full")))]
    equal(boards[1:], [boards[0], boards[0]], "dashboards differ")
    return [line for _, lines in boards[0].values() for line in lines]


def _names(dimensions):
    return tuple(sorted(name for name, _ in dimensions))


def _is_published(line, data):
    """Whether some datum has the dimensions of a line or an alarm, open ones being None."""
    known = {(n, v) for n, v in line if v is not None}
    return any(known <= set(d.dimensions) for d in data)


# ---- the walk ----

def every_row_has_one_name_unit_and_set_of_dimensions_from_publisher_to_alarm_and_graph():
    publishers = {"PutMetricData": list(_of_put_metric_data()), "EMF": list(_of_emf())}
    alarms, lines = _alarms(), _lines()
    for name, (unit, dimensions, form, watched, shown) in ROWS.items():
        for publisher, all_data in publishers.items():
            data = [d for d in all_data if d.name == name]
            expect(data, publisher, "does not publish", name)
            for d in data:
                equal((d.unit, _names(d.dimensions), d.form), (unit, dimensions, form),
                      f"{name} of {publisher}")
                equal(dict(d.dimensions)["Environment"], "dev", name)
            for looked in [a["dimensions"].items() for a in alarms.values()
                           if (a["namespace"], a["metric"]) == (OURS, name)] + \
                          [line[2] for line in lines if line[:2] == (OURS, name)]:
                equal(_names(looked), dimensions, f"{name}, as it is looked at")
                expect(_is_published(looked, data), publisher, "has no", name, "of", dict(looked))
        equal(sum((a["namespace"], a["metric"]) == (OURS, name) for a in alarms.values()), watched,
              f"alarms of {name}")
        equal(any(line[:2] == (OURS, name) for line in lines), shown, f"{name} in a graph")
    for publisher, all_data in publishers.items():
        equal({d.name for d in all_data} - set(ROWS), set(), publisher)


def what_aws_publishes_is_looked_at_by_its_own_dimensions_and_never_told_by_us():
    ours = {d.name for d in _of_put_metric_data() if _names(d.dimensions)[:1] != ("Environment",)}
    equal(ours, set())
    lines = _lines()
    for namespace, (names, dimensions) in AWS_ROWS.items():
        for name in names.split():
            found = [line for line in lines if line[:2] == (namespace, name)]
            expect(found, namespace, name, "is in no graph")
            for line in found:
                equal(_names(line[2]), dimensions, f"{namespace} {name}")
    strangers = {line[0] for line in lines} - set(AWS_ROWS) - {OURS}
    equal(strangers, set())
    (alarm,) = (a for a in _alarms().values() if a["namespace"] != OURS)
    equal((alarm["metric"], alarm["dimensions"]), ("IteratorAge", {"FunctionName": "reader"}))


def each_operation_is_watched_by_its_three_limits_and_each_circuit_by_one():
    alarms = _alarms()
    for operation, limits in LIMITS.items():
        suffix = "" if operation == "websocket_conversation" else "-" + operation
        for kind, limit in zip(("Duration", "Memory", "ErrorRate"), limits):
            name = f"WebSocket{kind}Alarm{suffix}"
            equal(alarms[name]["threshold"], limit, name)
            equal(alarms[name]["dimensions"], {"Handler": operation, "Environment": "dev"}, name)
            equal(alarms[name + "-warning"]["threshold"], round(0.8 * limit, 9), name)
    for service, operation in CIRCUITS:
        name = f"CircuitOpenAlarm-{service}-{operation}"
        equal(alarms[name]["dimensions"],
              {"Service": service, "Operation": operation, "Environment": "dev"}, name)
    equal(len(alarms), 24 + 6 + 2)


main(cases_of(sys.modules[__name__]))
