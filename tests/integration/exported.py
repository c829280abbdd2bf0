"""What `wsrt export` wrote, brought to one form: alarms and graphs that can be compared."""
import json
import re

import yaml

from toolcase import equal, expect, wsrt

OPERATIONS = ("websocket_conversation", "websocket_connection", "authentication_jwt_verification",
              "chat_message_processing")
# Flags with which each output is looked at.
VARIANTS = ([], ["--full"], ["--warning"], ["--environment", "prod", "--region", "eu-west-3"],
            ["--full", "--warning", "--name-suffix", "b", "--stream-function", "reader"],
            ["--operations", "chat_message_processing"])
HANDLER = frozenset({"Handler", "Environment"})
CIRCUIT = frozenset({"Service", "Operation", "Environment"})
ALONE = frozenset({"Environment"})
LIMITER = frozenset({"Scope", "Environment"})
STORE = frozenset({"TableName", "Environment"})
# Published dimensions, by metric; written down here a second time on purpose.
DIMENSIONS = {
    **dict.fromkeys(
        "HandlerDuration MemoryUsage ErrorRate Success ErrorCount WarningCount ExternalCalls "
        "DatabaseCalls RequestSize ResponseSize CpuUsage InFlight Saturation StreamIteratorAge "
        "messagesPerMinute averageMessageLength authenticationSuccessRate messageTypes.auth "
        "messageTypes.message messageTypes.ping connectionsPerMinute averageConnectionDuration "
        "disconnectReasons.normal disconnectReasons.error disconnectReasons.timeout "
        "verificationAttemptsPerMinute successRate errorTypes.MISSING_TOKEN "
        "errorTypes.TOKEN_EXPIRED errorTypes.INVALID_TOKEN errorTypes.other "
        "messagesProcessedPerMinute averageProcessingTime databaseOperationsPerMessage".split(),
        HANDLER),
    **dict.fromkeys(
        "CircuitState CircuitFailureRate CircuitFailures CircuitSuccesses CircuitRequests "
        "CircuitRejected CircuitTransitions".split(), CIRCUIT),
    **dict.fromkeys(
        "ConnectionsActive ConnectCount DisconnectCount MessageCount IntegrationErrors "
        "SendFailures StaleConnectionsRemoved ProcessResidentBytes SeriesDropped ExportDropped "
        "ExportApproximated ClockBackwards UnguardedCalls Redactions".split(), ALONE),
    **dict.fromkeys("RateLimited RateLimitShadow LimiterTableFull".split(), LIMITER),
    **dict.fromkeys("ConsumedReadCapacityUnits ConsumedWriteCapacityUnits".split(), STORE),
}
# Of those Prometheus families whose name does not follow from the metric's.
FAMILIES = {
    "operation_duration_seconds": ("HandlerDuration", 1000),
    "operation_memory_bytes": ("MemoryUsage", 1),
    "operations_total": ("ErrorRate", 100),
    "operation_errors_total": ("ErrorCount", 1),
    "operation_external_calls_total": ("ExternalCalls", 1),
    "operation_database_calls_total": ("DatabaseCalls", 1),
    "operation_in_flight": ("InFlight", 1),
    "limiter_table_full_total": ("LimiterTableFull", 1),
    "circuit_failure_ratio": ("CircuitFailureRate", 100),
    "stream_iterator_age_seconds": ("StreamIteratorAge", 1000),
}


def export(what, *args, env=None):
    """The text on stdout."""
    done = wsrt("export", what, *args, env=env)
    equal((done.returncode, done.stderr), (0, ""), what)
    return done.stdout


# ---- placeholders ----

def fill_cloudformation(text, environment="dev", region="us-east-1"):
    """What Fn::Sub does."""
    values = {"Environment": environment, "AWS::Region": region}
    return re.sub(r"\$\{(!?)([^}]*)\}",
                  lambda m: "${" + m[2] + "}" if m[1] else values[m[2]], text)


def fill_terraform(text, environment="dev", region="us-east-1"):
    """What a template of Terraform's does."""
    values = {"var.environment": environment, "var.region": region}

    def one(m):
        if m[0] in ("$${", "%%{"):
            return m[0][1:]
        expect(m[1] in values, "unknown placeholder", m[0])
        return values[m[1]]
    return re.sub(r"\$\$\{|%%\{|[$%]\{([^}]*)\}", one, text)


# ---- alarms: name -> what is compared ----

def _alarm(namespace, metric, dimensions, statistic, period, periods, threshold):
    return {"namespace": namespace, "metric": metric, "dimensions": dimensions,
            "statistic": statistic, "period": period, "periods": periods,
            "threshold": round(threshold, 9)}


def _cloudwatch_alarm(a, environment):
    equal((a["ComparisonOperator"], a["TreatMissingData"]),
          ("GreaterThanOrEqualToThreshold", "missing"))
    dimensions = {d["Name"]: environment if d["Value"] == {"Ref": "Environment"} else d["Value"]
                  for d in a["Dimensions"]}
    equal(len(dimensions), len(a["Dimensions"]))
    return _alarm(a["Namespace"], a["MetricName"], dimensions, a["Statistic"], a["Period"],
                  a["EvaluationPeriods"], a["Threshold"])


def alarms_of_cloudwatch(text):
    listed = json.loads(text)
    named = {a["AlarmName"]: _cloudwatch_alarm(a, None) for a in listed}
    equal(len(named), len(listed), "names are unique")
    return named


def alarms_of_cloudformation(text, environment="dev"):
    resources = json.loads(text)["Resources"].values()
    return {r["Properties"]["AlarmName"]: _cloudwatch_alarm(r["Properties"], environment)
            for r in resources if r["Type"] == "AWS::CloudWatch::Alarm"}


def alarms_of_terraform(text, environment="dev"):
    alarms = {}
    for a in json.loads(text)["resource"]["aws_cloudwatch_metric_alarm"].values():
        equal((a["comparison_operator"], a["treat_missing_data"]),
              ("GreaterThanOrEqualToThreshold", "missing"))
        dimensions = {k: fill_terraform(v, environment) for k, v in a["dimensions"].items()}
        alarms[a["alarm_name"]] = _alarm(a["namespace"], a["metric_name"], dimensions,
                                         a["statistic"], a["period"], a["evaluation_periods"],
                                         a["threshold"])
    return alarms


def rules(text):
    (group,) = yaml.safe_load(text)["groups"]
    return group["rules"]


def _camel(label):
    return "".join(word.capitalize() for word in label.split("_"))


def _metric_of(expression):
    """CloudWatch's name, and how many of its units make one of Prometheus'."""
    family = re.search(r"wsrt_(\w+)\{", expression)[1]
    family = re.sub(r"_(sum|count|bucket)$", "", family)
    if 'outcome="warning"' in expression:
        return "WarningCount", 1
    if family in FAMILIES:
        return FAMILIES[family]
    category = re.search(r'category="(\w+)"', expression)
    words = re.sub(r"^(business|transport|limiter|circuit|store|self)_", "", family)
    words = re.sub(r"_(total|seconds)$", "", words).split("_")
    if family.startswith("circuit"):
        words.insert(0, "circuit")
    name = "".join(w.capitalize() for w in words)
    if family.startswith("business"):
        name = name[0].lower() + name[1:]
    return name + ("." + category[1] if category else ""), 1


def _labels(expression):
    """Dimensions and their values; those by which it groups must be those that it shows."""
    grouped = {tuple(g.replace("le, ", "").split(", "))
               for g in re.findall(r"by \(([^)]*)\)", expression)}
    equal(len(grouped), 1, expression)
    pairs = [dict(re.findall(r'(\w+)!?="([^"]*)"', s)) for s in re.findall(r"\{([^}]*)\}", expression)]
    for pair in pairs:
        pair.pop("outcome", None)
        pair.pop("category", None)
    expect(all(p == pairs[0] for p in pairs), "selectors differ:", expression)
    (names,) = grouped
    expect(set(pairs[0]) <= set(names), "selects what it does not group by:", expression)
    return {_camel(n): pairs[0].get(n) for n in names}


def _statistic(expression):
    for start, name in (("max by", "Maximum"), ("avg by", "Average"), ("sum by", "Average")):
        if expression.startswith(start):
            return "Sum" if "(increase(" in expression else name
    quantile = re.match(r"histogram_quantile\(([\d.]+)", expression)
    return f"p{float(quantile[1]) * 100:g}"


def alarms_of_rules(text):
    """Without trends, which only Prometheus has."""
    alarms = {}
    for rule in rules(text):
        if "record" in rule or rule["alert"].startswith("WebSocketTrendAlarm"):
            continue
        expression, threshold = rule["expr"].rsplit(" >= ", 1)
        metric, scale = _metric_of(expression)
        window = {int(w) for w in re.findall(r"\[(\d+)s\]", expression)}
        equal(len(window), 1, expression)
        (period,) = window
        periods = 1 + int(rule.get("for", "0s")[:-1]) / period
        alarms[rule["alert"]] = _alarm("WebSocket/Performance", metric, _labels(expression),
                                       _statistic(expression), period, periods,
                                       float(threshold) * scale)
    return alarms


# ---- graphs: title -> place and lines ----

def _series(line, usual):
    options = line[-1] if isinstance(line[-1], dict) else {}
    if "expression" in options:
        m = re.fullmatch(r"SEARCH\('\{([^,]+),([^}]*)\} MetricName=\"([^\"]+)\"([^']*)', "
                         r"'(\w+)', 300\)", options["expression"])
        expect(m, options["expression"])
        known = dict(re.findall(r' (\w+)="([^"]*)"', m[4]))
        return m[1], m[3], tuple((d, known.get(d)) for d in sorted(m[2].split(","))), m[5]
    words = line[:-1] if options else line
    dimensions = dict(zip(words[2::2], words[3::2]))
    return words[0], words[1], tuple(sorted(dimensions.items())), options.get("stat", usual)


def graphs_of_body(body):
    graphs = {}
    for widget in json.loads(body)["widgets"]:
        p = widget["properties"]
        place = tuple(widget[k] for k in ("x", "y", "width", "height"))
        graphs[p["title"]] = (place, sorted((_series(m, p["stat"]) for m in p["metrics"]), key=str))
    return graphs


def graphs_of_cloudwatch(text):
    return graphs_of_body(json.loads(text)["DashboardBody"])


def body_of_cloudformation(text, **values):
    (board,) = (r for r in json.loads(text)["Resources"].values()
                if r["Type"] == "AWS::CloudWatch::Dashboard")
    return fill_cloudformation(board["Properties"]["DashboardBody"]["Fn::Sub"], **values)


def body_of_terraform(text, **values):
    (board,) = json.loads(text)["resource"]["aws_cloudwatch_dashboard"].values()
    return fill_terraform(board["dashboard_body"], **values)


def expressions_of_grafana(text):
    return [t["expr"] for panel in json.loads(text)["panels"] for t in panel["targets"]]


def graphs_of_grafana(text, environment="dev"):
    graphs = {}
    for panel in json.loads(text)["panels"]:
        place = tuple(panel["gridPos"][k] for k in "xywh")
        lines = []
        for target in panel["targets"]:
            expression = target["expr"].replace("$environment", environment)
            lines.append(("WebSocket/Performance", _metric_of(expression)[0],
                          tuple(sorted(_labels(expression).items())), _statistic(expression)))
        graphs[panel["title"]] = (place, sorted(lines, key=str))
    return graphs
