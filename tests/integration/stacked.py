"""What `wsrt export cloudformation|terraform --part functions` deploys, for given parameters, brought to
one form: placeholders filled in, references to resources as "<connections.arn>"."""
import re

CLOUD = {"AWS::Region": "eu-west-1", "AWS::AccountId": "111122223333", "AWS::Partition": "aws",
         "AWS::URLSuffix": "amazonaws.com"}
NOTHING = object()


# ---- CloudFormation ----

class CloudFormation:
    """A template and the values of its parameters."""

    def __init__(self, template, **given):
        self.template = template
        self.values = {**{n: p["Default"] for n, p in template["Parameters"].items()
                          if "Default" in p}, **CLOUD, **given}

    def _reference(self, name, attribute="Ref"):
        if name in self.values:
            return self.values[name]
        kind = self.template["Resources"][name]["Type"].rsplit("::", 1)[1]
        what = {"Api": "api", "Authorizer": "authorizer"}.get(kind)
        if what is None:
            word = re.sub(r"(Table|Function|Role|LogGroup|Integration)$", "", name)
            word = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", word).lower()
            what = word if kind == "Table" else f"{kind.lower()} {word}"
        more = {"Arn": ".arn", "StreamArn": ".stream"}.get(attribute, "")
        return f"<{what}{more if kind == 'Table' else ''}>"

    def _choose(self, condition, yes, no):
        left, right = self.template["Conditions"][condition]["Fn::Equals"]
        return self.fill(yes if self.fill(left) == self.fill(right) else no)

    def fill(self, value):
        if isinstance(value, list):
            return [v for v in map(self.fill, value) if v is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (key, of), = value.items()
            if key == "Ref":
                return NOTHING if of == "AWS::NoValue" else self._reference(of)
            if key == "Fn::GetAtt":
                return self._reference(*of)
            if key == "Fn::Sub":
                return re.sub(r"\$\{([^}]+)\}", lambda m: self._reference(*m[1].split(".")), of)
            if key == "Fn::If":
                return self._choose(*of)
        filled = {k: self.fill(v) for k, v in value.items()}
        return {k: v for k, v in filled.items() if v is not NOTHING}

    def resources(self, kind):
        """The properties of those of a type that are there."""
        return {name: self.fill(r["Properties"]) for name, r in self.template["Resources"].items()
                if r["Type"] == kind
                and ("Condition" not in r or self._choose(r["Condition"], True, False))}

    def outputs(self):
        return {name: self.fill(o["Value"]) for name, o in self.template["Outputs"].items()
                if "Condition" not in o or self._choose(o["Condition"], True, False)}


def _statements(document):
    return {(action, resource) for s in document["Statement"] for action in s["Action"]
            for resource in [s["Resource"]]}


def _table_of_cloudformation(t):
    indexes = [(i["IndexName"], *[k["AttributeName"] for k in i["KeySchema"]],
                i["Projection"]["ProjectionType"]) for i in t.get("GlobalSecondaryIndexes", [])]
    return {"billing": t["BillingMode"], "keys": [k["AttributeName"] for k in t["KeySchema"]],
            "types": {a["AttributeName"]: a["AttributeType"] for a in t["AttributeDefinitions"]},
            "indexes": indexes,
            "ttl": (t["TimeToLiveSpecification"]["AttributeName"],
                    t["TimeToLiveSpecification"]["Enabled"]),
            "stream": t.get("StreamSpecification", {}).get("StreamViewType")}


def _function_of_cloudformation(f):
    return {"runtime": f["Runtime"], "handler": f["Handler"], "memory": f["MemorySize"],
            "timeout": f["Timeout"], "architectures": f["Architectures"], "role": f["Role"],
            "code": (f["Code"]["S3Bucket"], f["Code"]["S3Key"]),
            "variables": f["Environment"]["Variables"]}


def of_cloudformation(template, **given):
    c = CloudFormation(template, **given)
    (api,) = c.resources("AWS::ApiGatewayV2::Api").values()
    (stage,) = c.resources("AWS::ApiGatewayV2::Stage").values()
    (mapping,) = c.resources("AWS::Lambda::EventSourceMapping").values()
    limits = stage["DefaultRouteSettings"]
    integrations = c.resources("AWS::ApiGatewayV2::Integration").values()
    routes = c.resources("AWS::ApiGatewayV2::Route").values()
    return {
        "api": (api["Name"], api["ProtocolType"], api["RouteSelectionExpression"]),
        "stage": (stage["StageName"], stage["AutoDeploy"], limits["ThrottlingBurstLimit"],
                  limits["ThrottlingRateLimit"]),
        "routes": {r["RouteKey"]: (r["Target"], r.get("AuthorizationType", "NONE"),
                                   r.get("AuthorizerId")) for r in routes},
        "integrations": {(i["IntegrationType"], i["IntegrationUri"]) for i in integrations},
        "authorizer": [(a["AuthorizerType"], a["AuthorizerUri"], a["IdentitySource"])
                       for a in c.resources("AWS::ApiGatewayV2::Authorizer").values()],
        "permissions": {(p["Action"], p["FunctionName"], p["Principal"], p["SourceArn"])
                        for p in c.resources("AWS::Lambda::Permission").values()},
        "tables": {t["TableName"]: _table_of_cloudformation(t)
                   for t in c.resources("AWS::DynamoDB::Table").values()},
        "functions": {f["FunctionName"]: _function_of_cloudformation(f)
                      for f in c.resources("AWS::Lambda::Function").values()},
        "roles": {f"<role {c._reference(name)[6:-1]}>": _statements(
                      r["Policies"][0]["PolicyDocument"])
                  for name, r in c.resources("AWS::IAM::Role").items()},
        "logs": {g["LogGroupName"]: g["RetentionInDays"]
                 for g in c.resources("AWS::Logs::LogGroup").values()},
        "mapping": (mapping["FunctionName"], mapping["EventSourceArn"], mapping["StartingPosition"],
                    mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"],
                    mapping["BisectBatchOnFunctionError"], mapping["MaximumRetryAttempts"],
                    mapping["FunctionResponseTypes"]),
        "outputs": c.outputs(),
    }


# ---- Terraform ----

REFERENCES = {"aws_apigatewayv2_api": "api", "aws_apigatewayv2_authorizer": "authorizer",
              "aws_lambda_function": "function ", "aws_iam_role": "role ",
              "aws_cloudwatch_log_group": "loggroup ", "aws_apigatewayv2_integration": "integration "}


class Terraform:
    """A configuration and the values of its variables."""

    def __init__(self, configuration, **given):
        self.root = configuration
        self.values = {n: v.get("default") for n, v in configuration["variable"].items()}
        self.values.update(given)

    def _reference(self, path):
        if path.startswith("data.aws_iam_policy_document."):
            return f"<document {path.split('.')[2].replace('[0]', '')}>"
        kind, name, attribute = path.replace("[0]", "").split(".")
        if kind == "aws_dynamodb_table":
            more = {"arn": ".arn", "stream_arn": ".stream", "name": ""}[attribute]
            return f"<{name}{more}>"
        what = REFERENCES[kind]
        return f"<{what}{name.replace('_', '-')}>" if what.endswith(" ") else f"<{what}>"

    def _expression(self, text):
        text = text.strip()
        choice = re.fullmatch(r"(var\.\w+)(?: == \"(\w+)\")? \? (.*) : (.*)", text, re.S)
        if choice:
            value = self.values[choice[1][4:]]
            wanted = choice[2] if choice[2] is not None else True
            return self._expression(choice[3] if value == wanted else choice[4])
        if text.startswith('"') and text.endswith('"'):
            return self.fill(text[1:-1])
        if text.startswith("["):
            return [dict(re.findall(r'(\w+) = "([^"]*)"', one))
                    for one in re.findall(r"\{[^}]*\}", text)]
        if text == "null":
            return NOTHING
        if text.isdigit():
            return int(text)
        one = re.fullmatch(r"one\((\w+\.\w+)\[\*\]\.(\w+)\)", text)
        if one:
            kind, name = one[1].split(".")
            here = self._there(self.root["resource"][kind][name])
            return self._reference(f"{one[1]}.{one[2]}") if here else NOTHING
        named = {"data.aws_partition.current.partition": "aws",
                 "data.aws_partition.current.dns_suffix": "amazonaws.com",
                 "data.aws_caller_identity.current.account_id": CLOUD["AWS::AccountId"]}
        if text.startswith("var."):
            return self.values[text[4:]]
        return named[text] if text in named else self._reference(text)

    def _pieces(self, text):
        """Literal texts and expressions of a template, in order."""
        at = 0
        while (start := text.find("${", at)) >= 0:
            depth, end = 1, start + 2
            while depth:
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
            yield text[at:start], text[start + 2:end - 1]
            at = end
        yield text[at:], None

    def fill(self, value):
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        if isinstance(value, dict):
            filled = {k: self.fill(v) for k, v in value.items() if k != "dynamic"}
            return {k: v for k, v in filled.items() if v is not NOTHING}
        if not isinstance(value, str) or "${" not in value:
            return value
        pieces = list(self._pieces(value))
        if len(pieces) == 2 and pieces[0][0] == "" and pieces[1] == ("", None):
            return self._expression(pieces[0][1])
        return "".join(text + ("" if e is None else str(self._expression(e))) for text, e in pieces)

    def _there(self, resource):
        return self.fill(resource.get("count", 1)) == 1

    def resources(self, kind, of="resource"):
        return {name: self.fill(r) for name, r in self.root[of][kind].items() if self._there(r)}

    def attributes(self, name):
        table = self.root["resource"]["aws_dynamodb_table"][name]
        given = table.get("attribute") or self.fill(table["dynamic"]["attribute"]["for_each"])
        return {a["name"]: a["type"] for a in given}


def _table_of_terraform(t, types):
    indexes = [(i["name"], i["hash_key"], i["range_key"], i["projection_type"])
               for i in t.get("global_secondary_index", [])]
    (ttl,) = t["ttl"]
    return {"billing": t["billing_mode"], "types": types, "indexes": indexes,
            "keys": [t[k] for k in ("hash_key", "range_key") if k in t],
            "ttl": (ttl["attribute_name"], ttl["enabled"]),
            "stream": t["stream_view_type"] if t.get("stream_enabled") else None}


def _function_of_terraform(f):
    return {"runtime": f["runtime"], "handler": f["handler"], "memory": f["memory_size"],
            "timeout": f["timeout"], "architectures": f["architectures"], "role": f["role"],
            "code": (f["s3_bucket"], f["s3_key"]),
            "variables": {k: str(v) for k, v in f["environment"][0]["variables"].items()}}


def _policy(document):
    return {(action, re.sub(r"^(<loggroup .*>):\*$", r"\1", resource))
            for s in document["statement"] for action in s["actions"] for resource in s["resources"]}


def of_terraform(configuration, **given):
    t = Terraform(configuration, **given)
    api = t.resources("aws_apigatewayv2_api")["websocket"]
    stage = t.resources("aws_apigatewayv2_stage")["websocket"]
    mapping = t.resources("aws_lambda_event_source_mapping")["metrics"]
    (limits,) = stage["default_route_settings"]
    documents = t.resources("aws_iam_policy_document", "data")
    routes = t.resources("aws_apigatewayv2_route").values()
    outputs = {k: t.fill(o["value"]) for k, o in configuration["output"].items()}
    return {
        "api": (api["name"], api["protocol_type"], api["route_selection_expression"]),
        "stage": (stage["name"], stage["auto_deploy"], limits["throttling_burst_limit"],
                  limits["throttling_rate_limit"]),
        "routes": {r["route_key"]: (r["target"], r.get("authorization_type", "NONE"),
                                    r.get("authorizer_id")) for r in routes},
        "integrations": {(i["integration_type"], i["integration_uri"])
                         for i in t.resources("aws_apigatewayv2_integration").values()},
        "authorizer": [(a["authorizer_type"], a["authorizer_uri"], a["identity_sources"])
                       for a in t.resources("aws_apigatewayv2_authorizer").values()],
        "permissions": {(p["action"], p["function_name"], p["principal"], p["source_arn"])
                        for p in t.resources("aws_lambda_permission").values()},
        "tables": {table["name"]: _table_of_terraform(table, t.attributes(name))
                   for name, table in t.resources("aws_dynamodb_table").items()},
        "functions": {f["function_name"]: _function_of_terraform(f)
                      for f in t.resources("aws_lambda_function").values()},
        "roles": {p["role"]: _policy(documents[p["policy"][10:-1]])
                  for p in t.resources("aws_iam_role_policy").values()},
        "logs": {g["name"]: g["retention_in_days"]
                 for g in t.resources("aws_cloudwatch_log_group").values()},
        "mapping": (mapping["function_name"], mapping["event_source_arn"],
                    mapping["starting_position"], mapping["batch_size"],
                    mapping["maximum_batching_window_in_seconds"],
                    mapping["bisect_batch_on_function_error"], mapping["maximum_retry_attempts"],
                    mapping["function_response_types"]),
        "outputs": {"".join(w.capitalize() for w in k.split("_")): v for k, v in outputs.items()
                    if v is not NOTHING},
    }
