"""A client of the chat application on python3-websockets. Prints what it sends and gets, waits for
another user's broadcast, and fails when an answer is not what the protocol promises.

    /usr/bin/python3 transcript.py URL TOKEN USER OTHER_USER
"""
import asyncio
import json
import sys

import websockets

URL, TOKEN, USER, OTHER = sys.argv[1:5]
NAME = f"{USER} (python3-websockets)"


class Failed(Exception):
    """An answer is not what the protocol promises."""


def show(arrow, message):
    print(f"{NAME}  {arrow}  {json.dumps(message, separators=(',', ':'))}", flush=True)


def check(condition, what):
    if not condition:
        raise Failed(what)


async def send(socket, kind, **data):
    shown = dict(data, token="...") if "token" in data else data
    show("->", {"type": kind, "data": shown})
    await socket.send(json.dumps({"type": kind, "data": data}))


async def next_of(socket, kind):
    """The next message of a type; typing indicators and the like may come between."""
    while True:
        message = json.loads(await socket.recv())
        show("<-", message)
        if message["type"] == kind:
            return message


async def converse(socket):
    await send(socket, "auth", action="login", token="nobody-knows-this")
    refused = await next_of(socket, "error")
    check(refused["error"]["code"] == "INVALID_TOKEN", "a wrong token was not refused")
    await send(socket, "auth", action="login", token=TOKEN)
    welcome = await next_of(socket, "system")
    check(welcome["data"]["userId"] == USER, "not signed in")
    await send(socket, "message", action="chat", message="Hi!", sessionId="demo")
    answer = await next_of(socket, "chat_response")
    check("Hi!" in answer["data"]["content"], "no answer to the message")
    await send(socket, "ping", action="now")
    await next_of(socket, "pong")
    await send(socket, "message", action="chat", message="x" * 10001)
    refused = await next_of(socket, "error")
    check(refused["error"]["issues"][0]["code"] == "too_big", "10,001 characters were not too many")
    print(f"{NAME}  waits for a broadcast", flush=True)
    heard = await next_of(socket, "chat_response")
    check(heard["data"]["metadata"]["from"] == OTHER, "the broadcast is from somebody else")
    check(heard["data"]["content"] == "Hello, everybody!", "the broadcast says something else")


async def main():
    async with websockets.connect(URL) as socket:
        await asyncio.wait_for(converse(socket), 20)
    print(f"{NAME}  done", flush=True)


try:
    asyncio.run(main())
except (Failed, OSError, asyncio.TimeoutError, websockets.WebSocketException) as failure:
    sys.exit(f"{NAME}  FAILED: {failure!r}")
