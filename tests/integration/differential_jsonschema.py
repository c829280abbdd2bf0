#!/usr/bin/python3
"""Random schemas of both dialects and values through libwsrt and python3-jsonschema: the same
verdict.

    differential_jsonschema.py DRIVER [SEED]

The peer is given exact decimals, and patterns that mean the same in its engine, so what is left to
differ is the meaning of the keywords. A disagreement fails the test unless a row of
docs/differences.md explains it, which is proved each time: the peer mended in that one respect agrees.
"""
import decimal
import json
import random
import subprocess
import sys

import jsonschema
from jsonschema import validators

SCHEMAS, VALUES = 2500, 8
DRAFTS = {"2020-12": jsonschema.Draft202012Validator, "draft-07": jsonschema.Draft7Validator}
NAMES = ["a", "a", "b", "b", "c", "ab", "", "é", "~/", "a b", "__class__"]
WORDS = ["", "a", "b", "ab", "abc", "ba", "a1", " ", "x_y", "é", "e\u0301", "😀", "😀😀", "A-Z",
         '"\\']
NUMBERS = """0 1 -1 2 3 5 10 0.5 1.5 -2.5 0.1 0.3 19.99 0.07 100 1e20 1e-7 1.0 10e-1 -0
             9007199254740993""".split()
STEPS = "1 2 3 0.5 0.01 0.1 0.3 10 1e-7".split()
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]
ATOMS = ["a", "b", "ab", ".", "[a-c]", "[^a]", "é", "[0-9]", "[a-zA-Z_]", "(a|b)", "(?:ab)",
         "(?:x?)"]
REPEATS = ["", "", "", "*", "+", "?", "{2}", "{1,2}", "*?"]

dice = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
decimal.getcontext().prec = 300
chance = lambda p: dice.random() < p
pick = dice.choice
several = lambda most, make: [make() for _ in range(1 + dice.randrange(most))]
some = lambda values, most: list(dict.fromkeys(several(most, lambda: pick(values))))


class Number(str):
    """A number as it is written."""


def text_of(value):
    """JSON with the numbers as they are written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(text_of, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{text_of(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=chance(0.2))


def exact(text):
    number = decimal.Decimal(text)
    return int(number) if number == number.to_integral_value() else number


def read(text):
    """The peer's view: whole numbers are int in any notation, others decimals."""
    return json.loads(text, parse_float=exact)


# ---- schemas

def pattern():
    body = "".join(several(3, lambda: pick(ATOMS) + pick(REPEATS)))
    return ("^" if chance(0.5) else "") + body + ("$" if chance(0.5) else "")


# Alike for a language in which true is 1.
TWINS = [[True], [Number("1")], {"a": [False]}, {"a": [Number("0")]}]


def any_value(depth):
    if depth > 0 and chance(0.1):
        return pick(TWINS)
    kind = dice.randrange(8 if depth > 0 else 6)
    if kind == 7:
        return {k: any_value(depth - 1) for k in some(NAMES, 3)}
    if kind == 6:
        return [any_value(depth - 1) for _ in range(dice.randrange(4))]
    simple = [None, chance(0.5), Number(pick(NUMBERS)), pick(WORDS)]
    return simple[kind if kind < 4 else kind - 2]


def bounds(low, high):
    at = dice.randrange(4)
    both = {low: Number(at), high: Number(at + dice.randrange(3))}
    return pick([{low: Number(at)}, {high: Number(at)}, both])


def numbers_between():
    words = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"]
    return {pick(words): Number(pick(NUMBERS))}


COMMON = [  # of one kind of value each; `inner` makes schemas of children, `same` of the value itself
    lambda inner, same: {"type": pick(TYPES) if chance(0.7) else some(TYPES, 3)},
    lambda inner, same: {"enum": several(4, lambda: any_value(1))},
    lambda inner, same: {"const": any_value(2)},
    lambda inner, same: bounds("minLength", "maxLength"),
    lambda inner, same: {"pattern": pattern()},
    lambda inner, same: numbers_between(),
    lambda inner, same: {"multipleOf": Number(pick(STEPS))},
    lambda inner, same: {"properties": {k: inner() for k in some(NAMES, 4)}},
    lambda inner, same: {"properties": {k: inner() for k in some(NAMES, 3)},
                         "additionalProperties": inner()},
    lambda inner, same: {"required": some(NAMES, 2)},
    lambda inner, same: {"patternProperties": {pattern(): inner() for _ in range(2)}},
    lambda inner, same: {"propertyNames": inner()},
    lambda inner, same: bounds("minProperties", "maxProperties"),
    lambda inner, same: {"items": inner()},
    lambda inner, same: {"contains": inner()},
    lambda inner, same: bounds("minItems", "maxItems"),
    lambda inner, same: {"uniqueItems": chance(0.9)},
    lambda inner, same: {"allOf": several(2, same)},
    lambda inner, same: {"anyOf": several(3, same)},
    lambda inner, same: {"oneOf": several(3, same)},
    lambda inner, same: {"not": same()},
    lambda inner, same: {"if": same(), "then": same(), "else": same()},
    lambda inner, same: {"if": same(), pick(["then", "else"]): same()},
]
OWN = {
    "2020-12": [
        lambda inner, same: {"dependentRequired": {k: some(NAMES, 2) for k in some(NAMES, 2)}},
        lambda inner, same: {"dependentSchemas": {k: same() for k in some(NAMES, 2)}},
        lambda inner, same: {"prefixItems": several(3, inner), "items": inner()},
        lambda inner, same: {"contains": inner(), **bounds("minContains", "maxContains")},
    ],
    "draft-07": [
        lambda inner, same: {"dependencies": {k: some(NAMES, 2) if chance(0.5) else same()
                                              for k in some(NAMES, 2)}},
        lambda inner, same: {"items": several(3, inner), "additionalItems": inner()},
        lambda inner, same: {"items": several(3, inner)},
        lambda inner, same: {"prefixItems": [False], "minContains": Number(9),
                             "dependentRequired": {"a": ["zz"]}},
    ],
}


class Maker:
    """One schema of a dialect, with definitions that members and elements may refer to."""

    def __init__(self, draft):
        self.groups = COMMON + OWN[draft]
        self.defs = "$defs" if draft == "2020-12" else "definitions"
        self.count = pick([0, 0, 1, 2])
        root = self.schema(3, False)
        if isinstance(root, bool):
            root = {"not": {}} if not root else {}
        root[self.defs] = {f"d{i}": self.schema(2, False) for i in range(self.count)}
        root["$schema"] = DRAFTS[draft].META_SCHEMA["$schema"]
        self.root = root

    def schema(self, depth, entered):
        if depth == 0 or chance(0.06):
            return pick([True, {}, False, {"type": pick(TYPES)}, {"const": any_value(0)}])
        if entered and self.count and chance(0.15):
            beside = {"maxLength": Number(1)} if chance(0.3) else {}
            return {"$ref": f"#/{self.defs}/d{dice.randrange(self.count)}", **beside}
        out = {}
        for _ in range(1 + dice.randrange(3)):
            out.update(pick(self.groups)(lambda: self.schema(depth - 1, True),
                                         lambda: self.schema(depth - 1, entered)))
        return out


# ---- values: what the schema speaks of, or anything

def hint(schema, root, depth):
    if depth == 0 or not isinstance(schema, dict) or chance(0.15):
        return any_value(2)
    go = lambda s: hint(s, root, depth - 1)
    ways = []
    if "$ref" in schema:
        _, where, name = schema["$ref"].split("/")
        ways.append(lambda: go(root[where][name]))
    if "const" in schema:
        ways.append(lambda: schema["const"])
    if "enum" in schema:
        ways.append(lambda: pick(schema["enum"]))
    for word in ("allOf", "anyOf", "oneOf"):
        if word in schema:
            ways.append(lambda word=word: go(pick(schema[word])))
    for word in ("if", "then", "else", "not"):
        if word in schema:
            ways.append(lambda word=word: go(schema[word]))
    if schema.keys() & {"minLength", "maxLength", "pattern"}:
        ways.append(lambda: pick(WORDS))
    if schema.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
                        "multipleOf"}:
        ways.append(lambda: Number(pick(NUMBERS)))
    known = schema.get("properties", {})
    if schema.keys() & {"properties", "required", "patternProperties", "propertyNames",
                        "minProperties", "maxProperties", "dependencies", "dependentRequired",
                        "dependentSchemas"}:
        names = [*schema.get("required", []), *known, *some(NAMES + WORDS, 2)]
        ways.append(lambda: {k: go(known.get(k, schema.get("additionalProperties", {})))
                             for k in names if chance(0.7)})
    if schema.keys() & {"items", "prefixItems", "contains", "minItems", "maxItems",
                        "uniqueItems"}:
        first = schema.get("prefixItems", schema.get("items"))
        rest = schema.get("contains", first)
        one = lambda i: first[i] if isinstance(first, list) and i < len(first) else rest
        ways.append(lambda: [go(one(i)) for i in range(dice.randrange(4))])
    return pick(ways)() if ways else any_value(2)


# ---- judges

def same(one, two):
    """By value; true is not 1, at any depth."""
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one)
    return isinstance(one, bool) == isinstance(two, bool) and one == two


def by_value(keyword, fails):
    def check(validator, wanted, instance, schema):
        del schema
        if fails(validator, wanted, instance):
            yield jsonschema.ValidationError(keyword)
    return check


def surplus(validator, wanted, instance, schema):
    """additionalItems without a message that sorts what cannot be compared."""
    items = schema.get("items", True)
    if validator.is_type(instance, "array") and isinstance(items, list):
        if not all(validator.evolve(schema=wanted).is_valid(one) for one in instance[len(items):]):
            yield jsonschema.ValidationError("additionalItems")


MENDS = {"message": {"additionalItems": surplus}, "equality": {
    "enum": by_value("enum", lambda v, wanted, x: not any(same(x, w) for w in wanted)),
    "const": by_value("const", lambda v, wanted, x: not same(x, wanted)),
    "uniqueItems": by_value("uniqueItems", lambda v, wanted, x: (
        wanted and v.is_type(x, "array") and
        any(same(x[i], x[k]) for i in range(len(x)) for k in range(i)))),
}}


def verdict(judge, schema, value):
    try:
        return "OK" if judge(schema).is_valid(value) else "REJECTED"
    except Exception as problem:  # pylint: disable=broad-except
        return f"throws {type(problem).__name__}"


def explain(case):
    for kind, keywords in MENDS.items():
        judge = validators.extend(DRAFTS[case["draft"]], keywords)
        if verdict(judge, case["read"], read(case["text"])) == case["ours"]:
            return kind
    return None


def main():
    lines, cases, known, bad = [], [], dict.fromkeys(MENDS, 0), []
    for i in range(SCHEMAS):
        draft = pick(list(DRAFTS))
        root = Maker(draft).root
        text = text_of(root)
        lines.append("S" + text)
        start, schema = len(lines) - 1, read(text)
        for _ in range(VALUES):
            value = text_of(hint(root, root, 5))
            lines.append("I" + value)
            cases.append({"draft": draft, "schema": text, "read": schema, "text": value,
                          "start": start, "line": len(lines) - 1,
                          "peer": verdict(DRAFTS[draft], schema, read(value))})
    out = subprocess.run([sys.argv[1]], input="".join(line + "\n" for line in lines),
                         capture_output=True, text=True, check=True).stdout.splitlines()
    compared = accepted = limits = 0
    for case in cases:
        if out[case["start"]] != "ok":
            limits += out[case["start"]] == "schema_limit"
            if out[case["start"]] != "schema_limit":
                bad.append({**case, "ours": out[case["start"]]})
            continue
        case["ours"] = out[case["line"]].replace("WSRT_", "").replace("ERR_", "")
        compared += 1
        accepted += case["ours"] == case["peer"] == "OK"
        if case["ours"] == case["peer"]:
            continue
        kind = explain(case)
        if kind is None:
            bad.append(case)
        else:
            known[kind] += 1
    for case in bad[:10]:
        print("DISAGREE", {k: case[k] for k in ("draft", "schema", "text", "ours", "peer")})
    for kind, count in known.items():
        print(f"known difference: {kind}: {count}")
    print(f"{compared} inputs compared, {accepted} accepted by both, {limits} beyond the limits of a "
          f"schema, {len(bad)} unexplained")
    whole = len(out) == len(lines) and compared >= 10000 and compared / 5 < accepted < compared * 4 / 5
    sys.exit(0 if whole and not bad and all(known.values()) else 2)


main()
