#!/usr/bin/env python3
"""The rules of <wsrt/reconnect.h> once more, in milliseconds: prints tests/vectors/reconnect.json.

Written apart from the C, so that the two check each other; a test compares its output to the file."""
import json

PROFILES = {
    "standalone": {"base": 2000, "cap": 20000, "stable": 5000, "interval": 45000, "wait": 20000,
                   "repeats": 0, "handover": 0, "spread": 300000},
    "gateway": {"base": 2000, "cap": 20000, "stable": 5000, "interval": 300000, "wait": 10000,
                "repeats": 1, "handover": 6600000, "spread": 300000},
}
FINAL = {1002, 1003, 1007, 1008, 1009, 4403, 4404} | set(range(4500, 4600))
HOUR = 3600000


class Machine:
    def __init__(self, profile, seed):
        self.p = PROFILES[profile]
        self.random = seed
        self.attempt = self.pings = 0
        self.open = self.leaving = self.refreshed = False
        self.opened_at = None

    def uniform(self, span):
        mask = 0xffffffff
        self.random = (self.random + 0x9e3779b9) & mask
        z = self.random
        z = (z ^ z >> 16) * 0x85ebca6b & mask
        z = (z ^ z >> 13) * 0xc2b2ae35 & mask
        z ^= z >> 16
        return span * z >> 32

    def around(self, middle, spread):
        return middle - spread + self.uniform(2 * spread)

    def heard(self, now):
        self.pings = 0
        self.ping_at = now + self.around(self.p["interval"], self.p["interval"] // 10)

    def opened(self, now):
        self.open, self.leaving, self.opened_at = True, False, now
        self.handover_at = None
        if self.p["handover"]:
            self.handover_at = now + self.around(self.p["handover"], self.p["spread"])
        self.heard(now)

    def leave(self, now):
        self.leaving = True

    def due(self):
        return self.pong_by if self.pings else self.ping_at

    def act(self, now):
        late = now - self.due()
        if late >= 0:
            slept = late > self.p["wait"]
            if slept or self.pings <= self.p["repeats"]:
                self.pings = self.p["repeats"] + 1 if slept else self.pings + 1
                self.pong_by = now + (2000 if slept else self.p["wait"])
                return "ping"
            self.open = False
            return "dead"
        if self.handover_at is None or now < self.handover_at:
            return "nothing"
        self.handover_at = now + self.around(60000, 6000)
        return "handover"

    def tick(self, now):
        action = self.act(now) if self.open else "nothing"
        due = None
        if self.open:
            due = self.due() if self.handover_at is None else min(self.due(), self.handover_at)
        return {"action": action, "next": due}

    def closed(self, now, code, reason="", hint=0):
        if self.opened_at is not None and now - self.opened_at >= self.p["stable"]:
            self.attempt, self.refreshed = 0, False
        self.open, self.opened_at = False, None
        unknown = code in (401, 4401)
        if self.leaving or code in FINAL or (unknown and self.refreshed):
            return {"action": "stop"}
        if unknown:
            self.refreshed = True
            return {"action": "refresh"}
        if reason.startswith("reconnect_ms="):
            digits = reason[13:]
            while digits and not digits.isdigit():
                digits = digits[:-1]
            hint = int(digits or hint)
        hint = max(0, min(hint, HOUR))
        attempt, self.attempt = self.attempt, self.attempt + 1
        if hint:
            delay = hint + self.uniform(hint // 2)
        elif code == 1012:
            delay = self.uniform(10000)
        else:
            delay = self.uniform(min(self.p["cap"], self.p["base"] << min(attempt, 40)))
        return {"action": "retry", "delay": delay}

    def online(self, now):
        return {"delay": self.uniform(1000)}


class Case:
    def __init__(self, name, profile, seed):
        self.m = Machine(profile, seed)
        self.case = {"name": name, "profile": profile, "seed": seed, "steps": []}

    def do(self, at, what, **given):
        answer = getattr(self.m, what)(at, **given)
        step = {"at": at, "do": what, **given}
        if answer is not None:
            step["expect"] = answer
        self.case["steps"].append(step)
        return answer

    def follow(self, at, until, answered):
        """Ticks at every deadline; `answered(n)` says whether the nth ping has a pong."""
        pings = 0
        while at < until:
            tick = self.do(at, "tick")
            if tick["action"] == "ping":
                pings += 1
                if answered(pings):
                    self.do(at + 40, "heard")
                    at += 40
            if tick["action"] == "dead":
                return at
            if tick["action"] == "handover":
                self.do(at + 300, "opened")
                at += 300
            if tick["action"] == "nothing":
                at = tick["next"]
        return at


def cases():
    for seed in (0, 1, 4294967295):
        c = Case(f"attempts wait longer and longer, seed {seed}", "standalone", seed)
        for n in range(8):
            c.do(1000 * n, "closed", code=1006)
        yield c
    c = Case("five seconds of uptime begin anew, less do not", "standalone", 7)
    for n in range(6):
        c.do(n, "closed", code=1006)
    c.do(10000, "opened")
    c.do(14999, "closed", code=1006)
    c.do(20000, "opened")
    c.do(25000, "closed", code=1006)
    c.do(25001, "closed", code=1006)
    yield c
    c = Case("what stops", "standalone", 3)
    for code in sorted({1002, 1003, 1007, 1008, 1009, 4403, 4404, 4500, 4599}):
        c.do(code, "closed", code=code)
    yield c
    c = Case("what does not", "standalone", 3)
    for code in (1000, 1001, 1005, 1006, 1010, 1011, 1013, 1014, 403, 404, 429, 500, 503, 3000, 4400,
                 4402, 4405, 4429, 4499, 4600):
        c.do(code, "closed", code=code)
    yield c
    c = Case("we leave", "standalone", 3)
    c.do(0, "opened")
    c.do(100, "leave")
    c.do(101, "closed", code=1000)
    c.do(102, "closed", code=1006)
    c.do(200, "opened")
    c.do(300, "closed", code=1006)
    yield c
    for code in (4401, 401):
        c = Case(f"{code} refreshes the token once", "standalone", 5)
        c.do(0, "closed", code=code)
        c.do(10, "closed", code=code)
        yield c
        c = Case(f"{code} refreshes again after a stable connection", "standalone", 5)
        c.do(0, "closed", code=code)
        c.do(10, "opened")
        c.do(5009, "closed", code=code)
        c.do(6000, "opened")
        c.do(11000, "closed", code=code)
        yield c
    c = Case("hints", "standalone", 11)
    c.do(0, "closed", code=4429, hint=1500)
    c.do(1, "closed", code=1013, hint=1)
    c.do(2, "closed", code=1012)
    c.do(3, "closed", code=1012, reason="reconnect_ms=4000")
    c.do(4, "closed", code=1012, reason="reconnect_ms=250;x", hint=9000)
    c.do(5, "closed", code=1012, reason="reconnect_ms=", hint=9000)
    c.do(5, "closed", code=1012, reason="reconnect_ms=soon", hint=700)
    c.do(6, "closed", code=1001, reason="bye", hint=9000)
    c.do(7, "closed", code=1012, reason="reconnect_ms=99999999999999999999")
    c.do(8, "closed", code=1006, hint=3600001)
    c.do(9, "closed", code=1006, hint=-5)
    yield c
    c = Case("the network is back", "standalone", 12)
    for n in range(4):
        c.do(n, "online")
    yield c
    c = Case("nothing is due while closed", "gateway", 1)
    c.do(0, "tick")
    c.do(0, "opened")
    c.do(1, "tick")
    c.do(2, "closed", code=1006)
    c.do(3, "tick")
    yield c
    c = Case("standalone: silence, one ping, dead", "standalone", 21)
    c.do(0, "opened")
    c.follow(0, 600000, lambda n: n < 3)
    c.do(600000, "closed", code=1006)
    yield c
    c = Case("gateway: two pings, dead", "gateway", 22)
    c.do(0, "opened")
    dead = c.follow(0, 3600000, lambda n: n % 2 == 0 and n < 6)
    c.do(dead, "tick")
    c.do(dead, "closed", code=1006)
    yield c
    c = Case("any traffic resets the timer", "gateway", 23)
    c.do(0, "opened")
    for n in range(1, 5):
        c.do(n * 200000, "heard")
        c.do(n * 200000, "tick")
    c.follow(800000, 1200000, lambda n: True)
    yield c
    for profile in PROFILES:
        c = Case(f"{profile}: after a suspend one ping and a short wait", profile, 24)
        c.do(0, "opened")
        c.do(1, "tick")
        c.do(5000000, "tick")
        c.do(5000000, "tick")
        c.do(5001999, "tick")
        c.do(5002000, "tick")
        yield c
        c = Case(f"{profile}: a suspend while waiting for a pong, and alive", profile, 25)
        c.do(0, "opened")
        due = c.do(0, "tick")["next"]
        due = c.do(due, "tick") and c.do(due, "tick")["next"]
        wait = PROFILES[profile]["wait"]
        c.do(due + wait, "tick") if profile == "gateway" else None
        c.do(due + 3 * wait, "tick")
        c.do(due + 3 * wait + 100, "heard")
        c.do(due + 3 * wait + 100, "tick")
        yield c
    c = Case("gateway: handover, said again until the new one is open", "gateway", 26)
    c.do(0, "opened")
    at = 0
    for n in range(60):
        tick = c.do(at, "tick")
        if tick["action"] == "ping":
            c.do(at, "heard")
        elif tick["action"] == "nothing":
            at = tick["next"]
    c.do(at, "opened")
    c.do(at, "tick")
    yield c
    c = Case("gateway: three hours", "gateway", 27)
    c.do(0, "opened")
    c.follow(0, 3 * HOUR, lambda n: True)
    yield c


ABOUT = [
    "The rules by which a client keeps, hands over and reopens its connection, as cases for machines",
    "in any language. All times are milliseconds. Each case starts a new machine of a profile with a",
    "seed, then takes its steps in order: `do` names a call, `at` is the time, other members are its",
    "arguments, `expect` is what the call answers (absent: nothing). `next` null means no deadline.",
    "Chance is splitmix32: state = state + 0x9e3779b9; z = state; z = (z ^ z >> 16) * 0x85ebca6b;",
    "z = (z ^ z >> 13) * 0xc2b2ae35; z = z ^ z >> 16, all modulo 2^32, state = seed at first.",
    "U(range) = floor(range * z / 2^32); around(middle, spread) = middle - spread + U(2 * spread).",
    "Draws happen in this order: opened: handover (if the profile has one), then ping; heard: ping;",
    "closed with retry: one; online: one; a handover that is said: one, around(60000, 6000).",
]

if __name__ == "__main__":
    out = {"about": ABOUT, "profiles": PROFILES, "cases": None}
    head = json.dumps(out, indent=1)
    lines = []
    for case in cases():
        steps = ",\n   ".join(json.dumps(s) for s in case.case["steps"])
        name = ", ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in case.case.items()
                         if k != "steps")
        lines.append("  {%s, \"steps\": [\n   %s]}" % (name, steps))
    print(head.replace('"cases": null', '"cases": [\n' + ",\n".join(lines) + "\n ]"))
