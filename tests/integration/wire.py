"""A WebSocket client on a plain socket, for tests that break what is below it."""
import json
import os
import socket
import struct

UPGRADE = ("GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


class Gone(Exception):
    """The connection has ended, or was refused."""


class Client:
    """Whatever is wrong on the way is Gone; what is no WebSocket is a ValueError."""

    def __init__(self, port, path="/", timeout=10):
        self.bytes = b""
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
            self.socket.sendall(UPGRADE.format(path=path).encode())
        except OSError as trouble:
            raise Gone(trouble) from trouble
        head = self._until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 "):
            raise ValueError(f"no HTTP: {head!r}")
        self.status = int(head.split()[1])
        if self.status != 101:
            self.socket.close()
            raise Gone(f"status {self.status}")

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except OSError as trouble:
            raise Gone(trouble) from trouble
        if not data:
            raise Gone("end")
        self.bytes += data

    def _until(self, mark):
        while mark not in self.bytes:
            self._more()
        head, self.bytes = self.bytes.split(mark, 1)
        return head

    def _take(self, count):
        while len(self.bytes) < count:
            self._more()
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def send(self, opcode, data=b""):
        key = os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack(">BH", 0xfe, len(data))
        masked = bytes(b ^ key[i % 4] for i, b in enumerate(data))
        try:
            self.socket.sendall(bytes([0x80 | opcode]) + size + key + masked)
        except OSError as trouble:
            raise Gone(trouble) from trouble

    def say(self, message):
        self.send(1, json.dumps(message).encode())

    def frame(self):
        """The next one that is no ping: (opcode, bytes)."""
        while True:
            first, size = self._take(2)
            if first & 0x70 or size & 0x80:
                raise ValueError(f"a frame begins {first:02x} {size:02x}")
            if size == 126:
                size = struct.unpack(">H", self._take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._take(8))[0]
            data = self._take(size)
            if first & 15 == 9:
                self.send(10, data)
            else:
                return first & 15, data

    def message(self):
        """The next text, read as JSON; a close frame is Gone."""
        while True:
            opcode, data = self.frame()
            if opcode == 8:
                raise Gone(f"close {data!r}")
            if opcode == 1:
                return json.loads(data)

    def close(self):
        try:
            self.send(8, struct.pack(">H", 1000))
            while self.frame()[0] != 8:
                pass
        except Gone:
            pass
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.socket.close()


def chat(client, text, session):
    """Says it and waits for the answer; False = it was refused with an error."""
    client.say({"type": "message",
                "data": {"action": "say", "message": text, "sessionId": session}})
    while True:
        answer = client.message()
        if answer["type"] == "error":
            return False
        if answer["type"] == "chat_response" and answer["data"]["content"] == f"You said: {text}":
            return True
