"""wsrt export cloudformation|terraform --part functions|all: what would be deployed."""
import json
import pathlib
import re
import sys

from exported import export
from stacked import of_cloudformation, of_terraform
from test_tool import _complains
from toolcase import cases_of, equal, expect, main, wsrt

USAGE = 2
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
API = "arn:aws:execute-api:eu-west-1:111122223333:<api>"
POSTS = ("execute-api:ManageConnections", f"{API}/dev/POST/@connections/*")
# Every right that a function has, written down here a second time on purpose.
_IN_ANY_SHAPE = {
    "connect": {("dynamodb:PutItem", "<connections.arn>")},
    "disconnect": {("dynamodb:DeleteItem", "<connections.arn>")},
    "chat": {("dynamodb:PutItem", "<messages.arn>"), ("dynamodb:Query", "<messages.arn>"),
             ("dynamodb:GetItem", "<connections.arn>"), ("dynamodb:UpdateItem", "<connections.arn>"),
             ("dynamodb:DeleteItem", "<connections.arn>"), POSTS},
    "subscribe": {("dynamodb:GetItem", "<connections.arn>"),
                  ("dynamodb:UpdateItem", "<connections.arn>"),
                  ("dynamodb:DeleteItem", "<connections.arn>"), POSTS},
    "stream-processor": {("dynamodb:DeleteItem", "<connections.arn>"),
                         ("dynamodb:DescribeStream", "<metrics.stream>"),
                         ("dynamodb:GetRecords", "<metrics.stream>"),
                         ("dynamodb:GetShardIterator", "<metrics.stream>"),
                         ("dynamodb:ListStreams", "*"), POSTS},
    "authorizer": set(),
}
_LISTING = {"A": ("dynamodb:Scan", "<connections.arn>"),
            "B": ("dynamodb:Query", "<connections.arn>/index/connected-index")}
# By the shape of the table of connections, which two of them list.
RIGHTS = {shape: {name: rights | ({listing} if name in ("chat", "stream-processor") else set())
                  for name, rights in _IN_ANY_SHAPE.items()}
          for shape, listing in _LISTING.items()}
VARIANTS = [(shape, on) for shape in "AB" for on in (True, False)]


def _stack(what, shape="A", on=True, part="functions", args=()):
    given = json.loads(export(what, "--part", part, *args))
    if what == "cloudformation":
        return of_cloudformation(given, TableShape=shape, Authentication="on" if on else "off",
                                 ArtifactBucket="artifacts")
    return of_terraform(given, table_shape=shape, authentication=on, artifact_bucket="artifacts",
                        region="eu-west-1")


def _both(shape="A", on=True, args=()):
    return [_stack(what, shape, on, args=args) for what in ("cloudformation", "terraform")]


# ---- what there is ----

def each_function_has_the_rights_of_the_list_and_nothing_more():
    for shape, on in VARIANTS:
        for stack in _both(shape, on):
            wanted = {f"<role {name}>": rights | {
                (action, f"<loggroup {name}>")
                for action in ("logs:CreateLogStream", "logs:PutLogEvents")}
                for name, rights in RIGHTS[shape].items() if on or name != "authorizer"}
            equal(stack["roles"], wanted, f"shape {shape}, authentication {on}")


def a_role_is_for_lambda_alone_and_holds_no_other_policy():
    for role in (r for r in json.loads(export("cloudformation", "--part", "functions"))[
            "Resources"].values() if r["Type"] == "AWS::IAM::Role"):
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        equal((trust["Principal"], trust["Action"]),
              ({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole"))
        equal(set(role["Properties"]), {"AssumeRolePolicyDocument", "Policies"})
        equal(len(role["Properties"]["Policies"]), 1)
    terraform = json.loads(export("terraform", "--part", "functions"))
    (trust,) = terraform["data"]["aws_iam_policy_document"]["lambda"]["statement"]
    equal(trust, {"actions": ["sts:AssumeRole"], "principals": [
        {"type": "Service", "identifiers": ["lambda.amazonaws.com"]}]})
    kinds = {k for k in terraform["resource"] if k.startswith("aws_iam")}
    equal(kinds, {"aws_iam_role", "aws_iam_role_policy"})


def the_routes_are_those_of_the_protocol():
    for schema, field, keys, subscriptions in (
            ("message", "type", {"auth", "message", "ping"}, {"subscribe", "unsubscribe"}),
            ("message-action", "action", {"chat_message"}, set())):
        for stack in _both(args=("--schema", schema)):
            equal(stack["api"], ("websocket-dev", "WEBSOCKET", f"$request.body.{field}"))
            targets = {key: route[0] for key, route in stack["routes"].items()}
            equal(targets, {"$connect": "integrations/<integration connect>",
                            "$disconnect": "integrations/<integration disconnect>",
                            **{k: "integrations/<integration chat>" for k in keys | {"$default"}},
                            **{k: "integrations/<integration subscribe>" for k in subscriptions}})
            equal(stack["stage"], ("dev", True, 100, 50))


def a_connect_asks_the_authorizer_unless_that_is_off():
    for on in (True, False):
        for stack in _both(on=on):
            equal(stack["routes"]["$connect"][1:],
                  ("CUSTOM", "<authorizer>") if on else ("NONE", None))
            expect(all(r[1:] == ("NONE", None) for k, r in stack["routes"].items()
                       if k != "$connect"), "another route asks")
            equal([a[0] for a in stack["authorizer"]], ["REQUEST"] if on else [])
            equal("websocket-dev-authorizer" in stack["functions"], on)
            equal(stack["functions"]["websocket-dev-connect"]["variables"]["WSRT_REQUIRE_AUTH"],
                  "1" if on else "0")


def the_functions_are_what_the_examples_are_packed_as():
    packed = re.search(r"EXAMPLES = \(([^)]*)\)", (ROOT / "scripts/package-lambda").read_text())
    programs = set(re.findall(r'"([\w-]+)"', packed[1]))
    for stack in _both():
        for name, f in stack["functions"].items():
            bucket, key = f["code"]
            equal(bucket, "artifacts")
            expect(key.removesuffix(".zip") in programs, key)
            stream = name.endswith("-stream-processor")
            equal((f["runtime"], f["handler"], f["architectures"], f["memory"]),
                  ("provided.al2023", "bootstrap", ["x86_64"], 512 if stream else 256))
            expect(f["timeout"] == 300 if stream else f["timeout"] <= 29, name)
        equal(stack["logs"], {f"/aws/lambda/{name}": 365 for name in stack["functions"]})


def the_tables_have_the_keys_of_their_shape():
    shapes = {"A": (["PK", "SK"], [("userId-index", "userId", "SK", "ALL")]),
              "B": (["connectionId"], [("connected-index", "connected", "connectedAt", "ALL")])}
    for shape, (keys, indexes) in shapes.items():
        for stack in _both(shape):
            tables = {name.removeprefix("websocket-dev-"): t for name, t in stack["tables"].items()}
            equal(set(tables), {"connections", "messages", "metrics"})
            equal((tables["connections"]["keys"], tables["connections"]["indexes"]), (keys, indexes))
            equal(tables["messages"]["keys"], ["sessionId", "timestamp#messageId"])
            for name, t in tables.items():
                equal((t["billing"], t["ttl"]), ("PAY_PER_REQUEST", ("ttl", True)))
                used = set(t["keys"]) | {k for i in t["indexes"] for k in i[1:3]}
                equal(set(t["types"]), used, "DynamoDB takes no attribute that no key uses")
                equal(t["stream"], "NEW_AND_OLD_IMAGES" if name == "metrics" else None)


def the_stream_is_read_in_batches_that_may_fail_in_part():
    for stack in _both():
        equal(stack["mapping"], ("<function stream-processor>", "<metrics.stream>", "LATEST", 100, 5,
                                 True, 3, ["ReportBatchItemFailures"]))


def the_functions_are_told_where_everything_is():
    for shape in "AB":
        for stack in _both(shape):
            variables = {n.removeprefix("websocket-dev-"): f["variables"]
                         for n, f in stack["functions"].items()}
            for name in ("connect", "disconnect", "chat", "subscribe", "stream-processor"):
                equal((variables[name]["CONNECTIONS_TABLE_NAME"],
                       variables[name]["WSRT_CONNECTIONS_SHAPE"]), ("<connections>", shape))
            for name in ("chat", "subscribe", "stream-processor"):
                equal(variables[name]["WEBSOCKET_API_ENDPOINT"],
                      "https://<api>.execute-api.eu-west-1.amazonaws.com/dev")
            equal(variables["chat"]["WEBSOCKET_MESSAGES_TABLE"], "<messages>")
            equal({v["ENVIRONMENT"] for v in variables.values()}, {"dev"})


def the_outputs_say_where_clients_and_operators_find_it():
    for stack in _both():
        outputs = stack["outputs"]
        host = "<api>.execute-api.eu-west-1.amazonaws.com/dev"
        equal((outputs["WebSocketUrl"], outputs["ManagementEndpoint"]),
              (f"wss://{host}", f"https://{host}"))
        for table in ("Connections", "Messages", "Metrics"):
            equal((outputs[f"{table}TableName"], outputs[f"{table}TableArn"]),
                  (f"<{table.lower()}>", f"<{table.lower()}.arn>"))
        equal(len([k for k in outputs if k.endswith("FunctionArn")]), 6)


# ---- the two forms, and the parts ----

def cloudformation_and_terraform_agree():
    for shape, on in VARIANTS:
        for args in ((), ("--schema", "message-action"), ("--environment", "prod")):
            ours, theirs = _both(shape, on, args)
            for section in ours:
                equal(ours[section], theirs[section], f"{section}, shape {shape}, {on}, {args}")


def the_parameters_agree_and_have_the_same_rules():
    cloudformation = json.loads(export("cloudformation", "--part", "functions"))["Parameters"]
    terraform = json.loads(export("terraform", "--part", "functions"))["variable"]
    named = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", n).lower(): p for n, p in cloudformation.items()}
    equal(set(terraform) - set(named), {"region"}, "a stack has its region")
    for name, p in named.items():
        v = terraform[name]
        default = {True: "on", False: "off"}.get(v.get("default"), v.get("default"))
        equal((p.get("Default"), p["Description"]), (default, v["description"]), name)
        condition = v.get("validation", {}).get("condition", "")
        if "AllowedPattern" in p:
            equal(condition, f'${{can(regex("{p["AllowedPattern"]}", var.{name}))}}')
        elif "AllowedValues" in p and v["type"] != "bool":
            equal(condition,
                  f"${{contains({json.dumps(p['AllowedValues'], separators=(',', ':'))}, var.{name})}}")


def all_is_monitoring_and_functions_together():
    for what, keys in (("cloudformation", ("Resources",)), ("terraform", ("resource",))):
        parts = [json.loads(export(what, "--part", part)) for part in ("monitoring", "functions", "all")]
        for key in keys:
            equal({**parts[0][key], **parts[1][key]}, parts[2][key])
        expect(not set(parts[0][keys[0]]) & set(parts[1][keys[0]]), "a name is used twice")
    equal(export("terraform", "--part", "monitoring"), export("terraform"))


def the_same_input_gives_the_same_bytes():
    for what in ("cloudformation", "terraform"):
        for part in ("functions", "all"):
            equal(export(what, "--part", part), export(what, "--part", part))


def every_reference_of_a_template_is_to_something_in_it():
    template = json.loads(export("cloudformation", "--part", "all"))
    there = set(template["Resources"]) | set(template["Parameters"])
    text = json.dumps({k: v for k, v in template.items() if k != "Parameters"})
    found = set(re.findall(r'"Ref": "(\w+)"', text)) | set(re.findall(r'GetAtt": \["(\w+)"', text)) \
        | set(re.findall(r"\$\{(\w+)[.}]", text))
    equal(found - there, set())
    conditions = set(re.findall(r'"(?:Condition": |Fn::If": \[)"(\w+)"', text))
    equal(conditions, set(template["Conditions"]))


# ---- what is refused ----

def an_environment_that_is_no_stage_is_refused():
    for what in ("cloudformation", "terraform"):
        for value in ("a.b", "a/b", "x" * 21):
            for part in ("functions", "all"):
                _complains(wsrt("export", what, "--part", part, "--environment", value), USAGE,
                           "is no stage")
            expect(value in export(what, "--environment", value), value)


def other_outputs_have_no_parts():
    for what in ("grafana", "cloudwatch-alarms", "prometheus-rules", "completion-bash"):
        for part in ("functions", "all"):
            _complains(wsrt("export", what, "--part", part), USAGE,
                       f"--part {part} is for cloudformation and terraform")


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
