#!/usr/bin/python3
"""Random streams of frames, good and bad, through our decoder and through wsproto: the same messages,
control frames and end. Usage: differential_wsproto.py DRIVER [SEED]

A disagreement fails the test unless it is one of the kinds below, which docs/differences.md explains;
a kind that no longer occurs fails it too, so that the document does not outlive its reason."""
import random
import struct
import subprocess
import sys

from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

STREAMS = 3000
CLIENT = 1
TEXTS = ["hello", "", "gr\u00fc\u00dfe", "\u20ac", "\U0001f600 ok", "a" * 125, "b" * 126, "\u00e9" * 400]
BAD_UTF8 = [b"\x80", b"\xc0\xaf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff",
            b"abc\xc3", b"\xe2\x82", b"a" * 200 + b"\xf5"]
CODES = [1000, 1001, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4401, 4999,
         0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]


def length_field(length, mask, style):
    if style == "short" and length < 126:
        return bytes([mask | length])
    if style != "long" and length <= 0xFFFF:
        return bytes([mask | 126]) + struct.pack("!H", length)
    return bytes([mask | 127]) + struct.pack("!Q", length)


def frame(rng, role, first, payload, style="short"):
    masked = role != CLIENT
    if rng.random() < 0.01:
        masked = not masked
    head = bytes([first]) + length_field(len(payload), 0x80 if masked else 0, style)
    if not masked:
        return head + payload
    key = rng.randbytes(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def data_payload(rng, text):
    if not text:
        return rng.randbytes(rng.choice([0, 1, 20, 125, 126, 1000]))
    return rng.choice(BAD_UTF8) if rng.random() < 0.06 else rng.choice(TEXTS).encode()


def control(rng, role):
    opcode = rng.choice([9, 9, 10])
    size = 126 if rng.random() < 0.03 else rng.choice([0, 1, 8, 125])
    fin = 0 if rng.random() < 0.03 else 0x80
    return frame(rng, role, fin | opcode, rng.randbytes(size))


def close(rng, role):
    code = rng.choice(CODES)
    reasons = [b"", b"bye", "\u20ac".encode()] + ([b"\xff"] if code != 1014 else [])
    payload = struct.pack("!H", code) + rng.choice(reasons)
    return frame(rng, role, 0x88, rng.choice([payload, payload, payload, b"", b"\x03"]))


def message(rng, role):
    text = rng.random() < 0.6
    payload = data_payload(rng, text)
    parts = rng.choice([1, 1, 1, 2, 3, 5])
    cuts = [0] + sorted(rng.randrange(len(payload) + 1) for _ in range(parts - 1)) + [len(payload)]
    out = b""
    for i in range(parts):
        first = (0 if i else 1 if text else 2) | (0x80 if i == parts - 1 else 0)
        if rng.random() < 0.02:
            first ^= rng.choice([0x80, 0x40, 0x20, 0x10, 1, 2, 3])
        style = rng.choice(["middle", "long"]) if rng.random() < 0.02 else "short"
        out += frame(rng, role, first, payload[cuts[i]:cuts[i + 1]], style)
        if rng.random() < 0.1:
            out += control(rng, role)
    return out


def stream(rng, role):
    out = b""
    for _ in range(rng.randrange(1, 7)):
        out += control(rng, role) if rng.random() < 0.2 else message(rng, role)
    if rng.random() < 0.3:
        out += close(rng, role) + message(rng, role)
    if rng.random() < 0.05:
        out += bytes([rng.randrange(256), rng.choice([0x80, 0, 0xFF])]) + bytes(8)
    if rng.random() < 0.02:
        out += frame(rng, role, 1, b"ab\xed\xa0") + control(rng, role)
    if rng.random() < 0.03:
        out += bytes([0x80, 0 if role == CLIENT else 0x80])
    if rng.random() < 0.15:
        out = out[: rng.randrange(len(out) + 1)]
    return out


def peer_events(role, data):
    peer = FrameProtocol(client=role == CLIENT, extensions=[])
    peer.receive_bytes(data)
    lines, parts = [], b""
    try:
        for got in peer.received_frames():
            if got.opcode is Opcode.CLOSE:
                lines.append(f"close {int(got.payload[0])} {got.payload[1].encode().hex()}")
            elif got.opcode.iscontrol():
                lines.append(f"{got.opcode.name.lower()} {bytes(got.payload).hex()}")
            else:
                parts += got.payload.encode() if isinstance(got.payload, str) else got.payload
                if got.message_finished:
                    lines.append(f"{got.opcode.name.lower()} {parts.hex()}")
                    parts = b""
    except ParseFailed as why:
        lines.append(f"fail {int(why.code)}")
    return lines


def our_events(driver, streams):
    feed = b"".join(bytes([role, first, step]) + struct.pack("<I", len(data)) + data
                    for role, first, step, data in streams)
    out = subprocess.run([driver], input=feed, stdout=subprocess.PIPE, check=True, timeout=60).stdout
    groups = [group.splitlines() for group in out.decode().split("end\n")]
    assert groups.pop() == [] and len(groups) == len(streams), "the driver lost streams"
    return groups


EARLY_HEADER = "we fail at the header, before the payload has come"
EARLY_UTF8 = "we fail at the byte that makes text bad"
BAD_GATEWAY = "we take close code 1014"


def kind_of_difference(ours, theirs):
    before, last = ours[:-1], ours[-1:]
    if theirs[: len(before)] != before:
        return None
    rest = theirs[len(before):]
    if last == ["fail 1002"] and not rest:
        return EARLY_HEADER
    if last == ["fail 1007"] and not any(line.startswith(("text", "binary")) for line in rest):
        return EARLY_UTF8
    if last and last[0].startswith("close 1014") and rest == ["fail 1002"]:
        return BAD_GATEWAY
    return None


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 6455
    rng = random.Random(seed)
    streams = []
    for _ in range(STREAMS):
        role = rng.choice([0, 0, CLIENT])
        streams.append((role, rng.randrange(256), rng.randrange(256), stream(rng, role)))
    kinds = {EARLY_HEADER: 0, EARLY_UTF8: 0, BAD_GATEWAY: 0}
    accepted = messages = 0
    for (role, first, step, data), ours in zip(streams, our_events(sys.argv[1], streams)):
        theirs = peer_events(role, data)
        if ours == theirs:
            accepted += not any(line.startswith("fail") for line in ours)
            messages += sum(line.startswith(("text", "binary")) for line in ours)
            continue
        kind = kind_of_difference(ours, theirs)
        if kind is None:
            print(f"seed {seed}: role {role}, cut {first}/{step}, {data.hex()}\n"
                  f"ours   {ours}\ntheirs {theirs}")
            return 1
        kinds[kind] += 1
    print(f"{len(streams)} streams: inputs compared, {accepted} accepted by both, {messages} equal messages")
    for kind, count in kinds.items():
        print(f"{count} times {kind}")
    return 0 if accepted > STREAMS // 4 and all(kinds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
