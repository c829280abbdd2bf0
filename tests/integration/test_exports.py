"""What the monitor exports, at, below and above each limit of the receivers, read by promtool, by
the OpenMetrics parser of Prometheus's Python client, and by Python's JSON reader."""
import json
import math
import shutil
import subprocess
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from toolcase import cases_of, equal, expect, main

DRIVER = sys.argv.pop(1)
PROMETHEUS, OPENMETRICS, DASHBOARD, EMF, CLOUDWATCH, OTLP = range(1, 7)
SUMMARY, SNAP_BOUNDS, HTML_SAFE, COUNTS, EXPONENTIAL = 1, 2, 4, 8, 16
BY_HANDLER = {"Handler": "websocket_conversation", "Environment": "dev"}
ALARMED = {"HandlerDuration": "Milliseconds", "MemoryUsage": "Bytes", "ErrorRate": "Percent"}


def _export(kind, **settings):
    """The text of an export."""
    command = [DRIVER, str(kind), *(f"{k}={v}" for k, v in settings.items())]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    equal(done.returncode, 0, done.stderr)
    return done.stdout.decode("utf-8")


def _documents(kind, **settings):
    """The documents of an export, as texts."""
    return _export(kind, **settings).splitlines()


def _refuse_constant(name):
    raise ValueError(name)


def _strict(text):
    """JSON without NaN, infinity or a name twice."""
    def once(pairs):
        equal(len({k for k, _ in pairs}), len(pairs), "names of an object")
        return dict(pairs)
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=once)


# ---- Prometheus and OpenMetrics


def promtool_finds_nothing_wrong_with_a_page():
    promtool = shutil.which("promtool")
    expect(promtool, "promtool is missing: scripts/deps test")
    for flags in (0, SUMMARY, SNAP_BOUNDS):
        page = _export(PROMETHEUS, flags=flags)
        done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True,
                              text=True, timeout=60, check=False)
        equal((done.returncode, done.stdout + done.stderr), (0, ""), f"flags {flags}")


def _families(flags):
    return {f.name: f for f in text_string_to_metric_families(_export(OPENMETRICS, flags=flags))}


def openmetrics_parses_with_units_and_totals():
    families = _families(0)
    duration = families["wsrt_operation_duration_seconds"]
    equal((duration.type, duration.unit), ("histogram", "seconds"))
    equal(families["wsrt_operation_memory_bytes"].unit, "bytes")
    done = [s for s in families["wsrt_operations"].samples
            if s.labels["handler"] == "websocket_conversation"]
    equal({s.labels["outcome"]: s.value for s in done}, {"ok": 360, "warning": 0, "error": 40})
    equal({s.name for s in done}, {"wsrt_operations_total"})


def exemplars_name_slow_operations_of_their_bucket():
    found = {}
    for sample in _families(0)["wsrt_operation_duration_seconds"].samples:
        if sample.exemplar:
            found[sample.labels["le"]] = sample.exemplar
            expect(sample.exemplar.value <= float(sample.labels["le"]), "in its bucket")
    equal(found["0.05"].labels["correlation_id"], "c-399", "the slowest of 400")
    equal(found["0.05"].value, 0.04)
    expect(len(found) >= 4, "one an octave:", found)


def exemplars_beyond_128_characters_are_dropped_not_cut():
    for length, kept in ((113, True), (114, True), (115, False)):
        page = _export(OPENMETRICS, correlation=length)
        equal("yyy" in page, kept, f"{length} bytes beside the name's 14")
        list(text_string_to_metric_families(page))


def a_summary_has_quantiles_in_base_units():
    summary = _families(SUMMARY)["wsrt_operation_duration_seconds"]
    equal(summary.type, "summary")
    quantiles = {s.labels["quantile"]: s.value for s in summary.samples
                 if s.labels["handler"] == "websocket_conversation" and "quantile" in s.labels}
    for q, wanted in {"0.5": 0.02, "0.95": 0.038, "0.99": 0.0396}.items():
        expect(abs(quantiles[q] / wanted - 1) <= 0.016, q, quantiles[q])


def snapped_bounds_count_exactly():
    for sample in _families(SNAP_BOUNDS)["wsrt_operation_duration_seconds"].samples:
        if sample.name.endswith("_bucket") and sample.labels["handler"] == "websocket_conversation":
            below = sum((i + 1) * 100000 <= round(float(sample.labels["le"]) * 1e9)
                        for i in range(400)) if sample.labels["le"] != "+Inf" else 400
            equal(sample.value, below, sample.labels["le"])


# ---- EMF


def _check_line(line):
    expect(len(line.encode()) <= 256000, "bytes of a line")
    doc = _strict(line)
    (directive,) = doc["_aws"]["CloudWatchMetrics"]
    equal(doc["_aws"]["Timestamp"], 1795168892120)
    equal(directive["Namespace"], "WebSocket/Performance")
    (names,) = directive["Dimensions"]
    expect(1 <= len(names) <= 30, names)
    expect(all(1 <= len(doc[n]) <= 1024 for n in names), "values of dimensions")
    expect(1 <= len(directive["Metrics"]) <= 100, "metrics of a line")
    for metric in directive["Metrics"]:
        expect(1 <= len(metric["Name"]) <= 255 and set(metric) == {"Name", "Unit"}, metric)
        target = doc[metric["Name"]]
        numbers = target if isinstance(target, list) else \
            target.get("Values", []) if isinstance(target, dict) else [target]
        expect(len(numbers) <= 100 and all(isinstance(n, (int, float)) for n in numbers), target)
    return doc, directive, {n: doc[n] for n in names}


def _emf(**settings):
    return [_check_line(line) for line in _documents(EMF, **settings)]


def _durations(lines, name="HandlerDuration"):
    return [doc[name] for doc, _, dimensions in lines if dimensions == BY_HANDLER and name in doc]


def emf_repeats_values_up_to_a_thousand_events():
    for events in (1, 99, 100, 101, 999, 1000):
        arrays = _durations(_emf(events=events))
        equal(len(arrays), math.ceil(events / 100), "lines")
        values = [v for a in arrays for v in a]
        equal(len(values), events, "events")
        exact = sum((i + 1) / 10 for i in range(events))
        expect(abs(sum(values) / exact - 1) < 0.016, "sum of", events)


def emf_beyond_a_thousand_events_has_statistics():
    (told,) = _durations(_emf(events=1001))
    equal(told["Count"], 1001)
    expect(abs(told["Sum"] - 50150.1) < 1e-6 and told["Min"] <= 0.11 and told["Max"] <= 100.1, told)


def emf_lines_hold_at_most_a_hundred_metrics():
    for apps in (98, 99, 100, 199, 200):
        lines = [d for _, d, dimensions in _emf(apps=apps) if dimensions == {"Environment": "dev"}]
        names = [m["Name"] for d in lines for m in d["Metrics"] if m["Name"] != "ExportDropped"]
        equal(sorted(names), sorted({"ConnectionsActive", *(f"App{i:04}" for i in range(apps))}))
        equal(len(lines), math.ceil((apps + 1) / 100) + 1, "lines, and that of ExportDropped")


def emf_lines_too_long_are_left_out_and_counted():
    (head,) = [len(line) for line in _documents(EMF, events=0, series=0)
               if "ConnectionsActive" in line]
    for size, kept in ((255999, True), (256000, True), (256001, False)):
        lines = _documents(EMF, events=0, series=0, member=size - head - 1 + 4)
        equal(any("ConnectionsActive" in line for line in lines), kept, f"{size} bytes")


def emf_as_values_and_counts_keeps_every_event():
    for events in (50, 400, 5000):
        (told,) = _durations(_emf(events=events, flags=COUNTS))
        equal(sum(told["Counts"]), events)
        equal(len(told["Counts"]), len(told["Values"]))


def emf_publishes_what_the_alarms_watch():
    units = {}
    for _, directive, dimensions in _emf():
        if dimensions == BY_HANDLER:
            units.update({m["Name"]: m["Unit"] for m in directive["Metrics"]})
    equal({k: v for k, v in units.items() if k in ALARMED}, ALARMED)


def emf_error_rate_averages_to_the_true_percentage():
    (told,) = _durations(_emf(), "ErrorRate")
    equal((told["Sum"], told["Count"], told["Min"], told["Max"]), (4000, 400, 0, 100))


def emf_names_of_presets():
    for names, wanted in ((0, {"HandlerDuration"}), (1, {"Duration"}),
                          (2, {"Duration", "HandlerDuration"})):
        found = {m["Name"] for _, d, _ in _emf(names=names) for m in d["Metrics"]}
        equal(found & {"Duration", "HandlerDuration"}, wanted)
        equal("ErrorRate" in found, names != 1)


def emf_hashes_who_and_drops_what_is_unknown():
    for doc, _, dimensions in _emf():
        expect(doc["connectionId"].startswith("#") and len(doc["connectionId"]) == 11, doc)
        equal(doc["correlationId"], "c-01")
        expect("password" not in doc and "connectionId" not in dimensions, doc)


def values_of_dimensions_are_refused_not_cut():
    for kind in (EMF, CLOUDWATCH):
        for length, kept in ((1023, True), (1024, True), (1025, False)):
            text = _export(kind, label=length, series=1)
            equal(f'"000000{"x" * (length - 6)}"' in text, kept, f"{length} bytes")
            equal("000000xxx" in text, kept, f"{length} bytes")


# ---- PutMetricData


def _bodies(**settings):
    data = []
    for text in _documents(CLOUDWATCH, **settings):
        expect(len(text.encode()) <= 1000000, "bytes of a body")
        body = _strict(text)
        equal(body["Namespace"], "WebSocket/Performance")
        expect(1 <= len(body["MetricData"]) <= 1000, "metrics of a body")
        for datum in body["MetricData"]:
            equal(len({"Value", "Values", "StatisticValues"} & set(datum)), 1, datum)
            expect(len(datum["Dimensions"]) <= 30, datum)
            equal(datum["Timestamp"], 1795168892.12)
        data.append(body["MetricData"])
    return data


def _named(bodies, name):
    return [d for b in bodies for d in b if d["MetricName"] == name]


def put_metric_data_splits_at_a_thousand_metrics():
    one = sum(len(b) for b in _bodies(series=1)) - 2
    for metrics in (998, 999, 1000, 1001, 2001):
        series = (metrics - one) // 2
        bodies = _bodies(series=series)
        total = one + 2 * series
        equal(sum(len(b) for b in bodies), total, "nothing is lost")
        equal(len(bodies), math.ceil(total / 1000), f"bodies of {total}")
        states = [d["Value"] for d in _named(bodies, "CircuitState")]
        equal(states, [1.0 + i for i in range(series)], "values")


def put_metric_data_splits_at_a_million_bytes():
    for label, wanted in ((100, 1), (1024, 2)):
        bodies = _bodies(series=450, label=label)
        equal(len(_named(bodies, "CircuitFailures")), 450)
        equal(len(bodies), wanted, "bodies")


def put_metric_data_joins_to_150_values():
    for events in (1, 149, 150, 151, 400, 5000):
        (datum,) = _named(_bodies(events=events), "HandlerDuration")
        expect(len(datum["Values"]) <= 150 and len(datum["Counts"]) == len(datum["Values"]), events)
        equal(sum(datum["Counts"]), events, "events")
        exact = sum((i + 1) / 10 for i in range(events))
        told = sum(v * c for v, c in zip(datum["Values"], datum["Counts"]))
        expect(abs(told / exact - 1) < 0.016, "sum of", events, told, exact)
        equal(datum["Values"], sorted(datum["Values"]))


def put_metric_data_of_a_reader_is_what_came_since():
    bodies = _bodies(delta=1)
    (duration,) = _named(bodies, "HandlerDuration")
    equal(sum(duration["Counts"]), 7)
    (success,) = _named(bodies, "Success")
    equal(success["StatisticValues"], {"SampleCount": 7, "Sum": 7, "Minimum": 1, "Maximum": 1})
    equal([d["Value"] for d in _named(bodies, "CircuitFailures")], [10, 10, 10])
    equal([d["Value"] for d in _named(bodies, "CircuitState")], [1, 2, 3])


def an_idle_monitor_has_nothing_for_cloudwatch():
    equal(_export(EMF, idle=1), "")
    equal(_export(CLOUDWATCH, idle=1), "")


# ---- metrics of the application's own


def own_metrics_are_read_by_the_parsers_of_prometheus():
    families = {f.name: f for f in text_string_to_metric_families(_export(OPENMETRICS, own=2))}
    told = {(s.labels["extra0"], s.labels["category"]): s.value
            for s in families["wsrt_business_order_town"].samples}
    equal(told, {("even", "Ulm"): 2, ("odd", "Ulm"): 2, ("even", 'St. "Gallen"'): 2,
                 ("odd", 'St. "Gallen"'): 2, ("__overflow__", "__overflow__"): 4})
    values = {n: {s.labels["extra0"]: s.value for s in families[f"wsrt_business_order_{n}"].samples}
              for n in ("count", "last", "rate", "mean")}
    equal(values["last"], {"even": 25, "odd": 27.5})
    equal(values["mean"], {"even": 12.5, "odd": 15})
    equal(values["rate"], {"even": 1, "odd": 0.5})
    equal(values["count"], {"even": 75, "odd": 90})
    for flags in (0, SUMMARY):
        done = subprocess.run([shutil.which("promtool"), "check", "metrics"], capture_output=True,
                              input=_export(PROMETHEUS, own=3, flags=flags), text=True, timeout=60,
                              check=False)
        equal((done.returncode, done.stdout + done.stderr), (0, ""))


def own_metrics_have_thirty_dimensions_and_totals_survive():
    for own, dimensions in ((1, 2), (2, 3), (28, 29), (29, 30)):
        lines = [(doc, names) for doc, _, names in _emf(own=own) if "orderCount" in doc]
        expect(all(len(names) == dimensions for _, names in lines), lines)
        equal(sum(doc["orderCount"] for doc, _ in lines), 165)
        equal(sum(doc["orderMean"]["Sum"] for doc, _ in lines), 165)
        equal(sum(doc["orderMean"]["Count"] for doc, _ in lines), 12)
        equal(sum(doc["orderRate"]["Sum"] for doc, _ in lines), 900)
        towns = [d for d in sum(_bodies(own=own), []) if d["MetricName"].startswith("orderTown.")]
        equal(sum(d["Value"] for d in towns), 12)
        expect(all(len(d["Dimensions"]) == dimensions for d in towns), towns)


def own_metrics_of_a_reader_are_what_came_since():
    bodies = _bodies(delta=1, own=1)
    (mean,) = _named(bodies, "orderMean")
    equal((mean["StatisticValues"]["Sum"], mean["StatisticValues"]["SampleCount"]), (15, 4))
    equal([d["Value"] for d in _named(bodies, "orderCount")], [15])
    equal({d["MetricName"]: d["Value"] for b in bodies for d in b if "orderTown" in d["MetricName"]},
          {"orderTown.Ulm": 2, 'orderTown.St. "Gallen"': 1, "orderTown.__overflow__": 1})
    points = _otlp(delta=1, own=1)["wsrt_business_order_count"]["sum"]["dataPoints"]
    equal([p["asDouble"] for p in points], [15])


# ---- OTLP


def _otlp(**settings):
    (text,) = _documents(OTLP, **settings)
    (resource,) = _strict(text)["resourceMetrics"]
    (scope,) = resource["scopeMetrics"]
    equal(resource["resource"]["attributes"],
          [{"key": "deployment.environment.name", "value": {"stringValue": "dev"}}])
    metrics = {m["name"]: m for m in scope["metrics"]}
    equal(len(metrics), len(scope["metrics"]), "names")
    for metric in metrics.values():
        (kind,) = set(metric) - {"name", "unit", "description"}
        expect(metric[kind]["dataPoints"], "an empty envelope:", metric)
        for point in metric[kind]["dataPoints"]:
            equal(point["timeUnixNano"], "1795168892120000000")
            for name in ("count", "asInt", "zeroCount"):
                expect(isinstance(point.get(name, ""), str), name, "is a string")
    return metrics


def otlp_histograms_add_up():
    (point,) = _otlp()["wsrt_operation_duration"]["histogram"]["dataPoints"]
    equal(len(point["bucketCounts"]), len(point["explicitBounds"]) + 1)
    equal(sum(map(int, point["bucketCounts"])), 400)
    equal(point["count"], "400")
    expect(abs(point["sum"] - 8.02) < 1e-9, point["sum"])


def otlp_exponential_histograms_hold_every_value():
    (point,) = _otlp(flags=EXPONENTIAL)["wsrt_operation_duration"]["exponentialHistogram"]["dataPoints"]
    equal(point["scale"], 3)
    wanted, near_edge = {}, 0
    for i in range(400):
        exact = math.log2((i + 1) / 10000) * 8
        index = math.ceil(exact) - 1
        wanted[index] = wanted.get(index, 0) + 1
        near_edge += abs(exact - round(exact)) <= 8 * math.log2(1 + 1 / 64)
    counts = list(map(int, point["positive"]["bucketCounts"]))
    equal(sum(counts) + int(point["zeroCount"]), 400)
    off = sum(abs(n - wanted.get(point["positive"]["offset"] + i, 0)) for i, n in enumerate(counts))
    expect(off <= 2 * near_edge < 300, "events on the other side of an edge:", off, near_edge)


def otlp_tells_its_temporality():
    equal(_otlp()["wsrt_operations"]["sum"]["aggregationTemporality"], 2)
    metrics = _otlp(delta=1)
    equal(metrics["wsrt_operations"]["sum"]["aggregationTemporality"], 1)
    points = metrics["wsrt_operations"]["sum"]["dataPoints"]
    equal(sum(int(p["asInt"]) for p in points), 7)
    equal(points[0]["startTimeUnixNano"], "1795168892120000000")
    equal(metrics["wsrt_circuit_state"]["gauge"]["dataPoints"][2]["asDouble"], 3)


# ---- the dashboard


def a_dashboard_tells_all_modules():
    doc = _strict(_export(DASHBOARD))
    conversation = doc["operations"][0]
    equal((doc["schema"], doc["time"], doc["environment"]), (1, 1795168892120, "dev"))
    equal((conversation["name"], conversation["count"], conversation["errors"]),
          ("websocket_conversation", 400, 40))
    expect(abs(conversation["duration"]["p99"] / 39.6 - 1) <= 0.016, conversation["duration"])
    equal([conversation["rates"][k]["count"] for k in ("10s", "1m", "5m")], [0, 400, 400])
    equal(len(doc["breakers"]), 3)
    equal(doc["transport"][0]["metrics"]["ConnectionsActive"], 9007199254740991)
    equal(doc["business"]["websocket_conversation"]["messageTypes"]["auth"], 200)
    equal({a["metric"] for a in doc["alerts"]}, {"errorRate"})


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
