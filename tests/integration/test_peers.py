"""What the AWS CDK says of `wsrt export cloudformation`: 190 MB of reader, so not among the others."""
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from exported import VARIANTS, body_of_cloudformation, export
from stacked import of_cloudformation
from test_export_stack import RIGHTS
from toolcase import cases_of, equal, expect, main

PEERS = pathlib.Path(__file__).resolve().parent.parent / "peers"
SKIPPED = 77


def _cdk(*args):
    return subprocess.run(["node", str(PEERS / "cloudformation.mjs"), *args], text=True,
                          capture_output=True, timeout=120, check=False)


def _read(*templates):
    with tempfile.TemporaryDirectory() as place:
        paths = [os.path.join(place, f"{i}.json") for i in range(len(templates))]
        for path, template in zip(paths, templates):
            pathlib.Path(path).write_text(json.dumps(template), encoding="utf-8")
        return _cdk("read", *paths)


@functools.cache
def _own():
    done = _cdk("write")
    equal(done.returncode, 0, done.stderr)
    return {r["Properties"].get("AlarmName", "dashboard"): r["Properties"]
            for r in json.loads(done.stdout)["Resources"].values()}


def _sorted(line):
    """A line of a graph with its dimensions by name."""
    pairs = sorted(zip(line[2::2], line[3::2]))
    return line[:2] + [word for pair in pairs for word in pair]


def the_cdk_includes_every_template_and_changes_nothing():
    templates = [json.loads(export("cloudformation", *variant)) for variant in VARIANTS]
    done = _read(*templates)
    equal(done.returncode, 0, done.stderr[-2000:])
    read = [json.loads(line) for line in done.stdout.splitlines()]
    equal([r["Resources"] for r in read], [t["Resources"] for t in templates])


def the_cdk_includes_the_functions_and_changes_nothing():
    templates = [json.loads(export("cloudformation", "--part", part, "--schema", schema))
                 for part in ("functions", "all") for schema in ("message", "message-action")]
    done = _read(*templates)
    equal(done.returncode, 0, done.stderr[-2000:])
    for line, given in zip(done.stdout.splitlines(), templates):
        read = json.loads(line)
        for section in ("Resources", "Conditions", "Outputs"):
            equal(read[section], given[section], section)
        equal({k: read["Parameters"][k] for k in given["Parameters"]}, given["Parameters"])


def the_rights_that_the_cdk_reads_are_those_of_the_list():
    (line,) = _read(json.loads(export("cloudformation", "--part", "functions"))).stdout.splitlines()
    template = json.loads(line)
    template["Parameters"] = {k: v for k, v in template["Parameters"].items()
                              if k != "BootstrapVersion"}  # the CDK's own
    for shape in "AB":
        stack = of_cloudformation(template, TableShape=shape, ArtifactBucket="artifacts")
        for role, rights in stack["roles"].items():
            name = role[6:-1]
            own = {r for r in rights if r[1] != f"<loggroup {name}>"}
            equal(own, RIGHTS[shape][name], f"{name}, shape {shape}")


def the_cdk_refuses_a_function_that_is_wrong():
    for change in ({"MemorySize": "much"}, {"Code": []}):
        template = json.loads(export("cloudformation", "--part", "functions"))
        template["Resources"]["ChatFunction"]["Properties"].update(change)
        done = _read(template)
        expect(done.returncode != 0 and "CfnFunctionProps" in done.stderr, change,
               done.stderr[-500:])


def the_cdk_refuses_a_template_that_is_wrong():
    for change in ({"Period": "a minute"}, {"Dimensions": [{}]}):
        template = json.loads(export("cloudformation"))
        template["Resources"]["WebSocketDurationAlarm"]["Properties"].update(change)
        done = _read(template)
        expect(done.returncode != 0 and "CfnAlarmProps" in done.stderr, change, done.stderr[-500:])


def the_first_alarms_are_those_that_the_cdk_writes():
    ours = json.loads(export("cloudformation"))["Resources"]
    for name, theirs in _own().items():
        if name == "dashboard":
            continue
        alarm = dict(ours[name]["Properties"])
        equal(alarm.pop("TreatMissingData"), "missing")  # which is what leaving it out means
        alarm["Dimensions"] = sorted(
            ({**d, "Value": "dev"} if d["Value"] == {"Ref": "Environment"} else d
             for d in alarm["Dimensions"]), key=lambda d: d["Name"])
        equal(alarm, theirs)


def the_dashboard_is_the_one_that_the_cdk_writes():
    theirs = _own()["dashboard"]
    parts = theirs["DashboardBody"]["Fn::Join"][1]
    theirs = json.loads("".join(p if isinstance(p, str) else "us-east-1" for p in parts))
    ours = json.loads(body_of_cloudformation(export("cloudformation")))
    for widget in ours["widgets"]:
        properties = widget["properties"]
        properties["metrics"] = [_sorted(line) for line in properties["metrics"]]
        # CloudWatch's defaults, which we say and the CDK leaves out.
        equal((properties.pop("stat"), properties.pop("period")), ("Average", 300))
    equal(ours, theirs)


if __name__ == "__main__":
    if not (PEERS / "node_modules" / "aws-cdk-lib").is_dir():
        print("the peers are not installed: scripts/deps deep")
        sys.exit(SKIPPED)
    main(cases_of(sys.modules[__name__]))
