#!/usr/bin/env python3
"""The binding beside this file at work, on what is installed. Usage: exercise.py LIBWSRT FFI_HEADER"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "support"))
import wsrt  # noqa: E402
from tap import check, plan  # noqa: E402

with open(sys.argv[2], encoding="utf-8") as _header:
    library = wsrt.Library(_header.read(), sys.argv[1])
ROOM = library.schema(json.dumps({
    "type": "object", "required": ["type", "room"],
    "properties": {"type": {"const": "join"}, "room": {"type": "string", "maxLength": 4}},
}).encode())


def differs(got, wanted):
    return [] if got == wanted else [f"got {got!r}, want {wanted!r}"]


def raised(function, *arguments):
    try:
        function(*arguments)
    except wsrt.Error as error:
        return error.status
    return None


def runtime():
    made = library.runtime()
    made.route("join", lambda body: b'{"joined":"%s"}' % json.loads(body)["room"].encode(), ROOM)
    made.route("fail", lambda body: 1 // 0)
    made.route("quiet", lambda body: None)
    made.connect("c1")
    return made


check("the version is told", differs(library.version(), "0.1.0"))
check("constants are found by name", differs(library.constant("WSRT_ERR_GONE"), -11))
check("an unknown constant is an error",
      differs(raised(library.constant, "WSRT_NOTHING"), "WSRT_ERR_NOT_FOUND"))
check("a schema that is none is an error with a name",
      differs(raised(library.schema, b'{"type":3}'), "WSRT_ERR_REJECTED"))
check("a valid message has no issues", differs(ROOM.issues(b'{"type":"join","room":"tea"}'), []))
check("issues carry a pointer and a code",
      differs([i[:2] for i in ROOM.issues(b'{"type":"join","room":"kitchen"}')],
              [("/room", "too_big")]))
check("a message that is no JSON has one issue",
      differs([i[1] for i in ROOM.issues(b"{")], ["json_syntax"]))
check("a connection is accepted", differs(library.runtime().connect("c1"), 200))
check("a handler in Python replies",
      differs(runtime().message("c1", b'{"type":"join","room":"tea"}'), [b'{"joined":"tea"}']))
check("a handler may say nothing", differs(runtime().message("c1", b'{"type":"quiet"}'), []))


def envelope(message):
    said = runtime().message("c1", message)
    return [json.loads(text)["error"]["type"] for text in said]


check("the runtime refuses what the schema refuses, before the handler",
      differs(envelope(b'{"type":"join","room":"kitchen"}'), ["VALIDATION_ERROR"]))
sys.stderr = open(os.devnull, "w", encoding="utf-8")
check("an exception in a handler becomes an envelope that tells nothing of it",
      differs(envelope(b'{"type":"fail"}'), ["INTERNAL_ERROR"]))
plan()
