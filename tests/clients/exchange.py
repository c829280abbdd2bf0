"""Sends mixed messages to an echo server with python3-websockets and compares every answer.

    /usr/bin/python3 exchange.py URL COUNT
"""
import asyncio
import sys

import websockets

WINDOW = 20


def message(i):
    kind = i % 7
    if kind == 0:
        return f"plain text {i}"
    if kind == 1:
        return bytes([i % 256]) * (i % 300)
    if kind == 2:
        return ""
    if kind == 3:
        return f"Grüße {i} – 你好 – 🙂" * (1 + i % 5)
    if kind == 4:
        return "L" * 65536 if i % 100 == 4 else "m" * (i % 2000)
    if kind == 5:
        return b""
    return bytes([i % 256]) * 65536 if i % 100 == 6 else f"in fragments {i} 🙂"


async def send(socket, i):
    data = message(i)
    if i % 7 == 6:
        third = max(1, len(data) // 3)
        await socket.send([data[at:at + third] for at in range(0, len(data), third)])
    else:
        await socket.send(data)


async def exchange(url, count):
    async with websockets.connect(url, max_size=None) as socket:
        for start in range(0, count, WINDOW):
            batch = range(start, min(start + WINDOW, count))
            for i in batch:
                await send(socket, i)
            for i in batch:
                if await socket.recv() != message(i):
                    sys.exit(f"message {i} came back different")
    if socket.close_code != 1000:
        sys.exit(f"closed with {socket.close_code}")
    print(f"{count} messages")


asyncio.run(asyncio.wait_for(exchange(sys.argv[1], int(sys.argv[2])), 60))
