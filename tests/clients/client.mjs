// The JavaScript client: its reconnection rules against the shared vectors, and itself against real servers.
//
//     WSRT=path/to/wsrt node client.mjs
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { gzipSync } from "node:zlib";
import WebSocket from "ws";
import { Client, matches } from "../../clients/js/wsrt.js";
import { Reconnect } from "../../clients/js/reconnect.js";

const vectors = JSON.parse(readFileSync(new URL("../vectors/reconnect.json", import.meta.url)));
const cases = [];
const test = (name, run) => cases.push([name, run]);

// ---- the rules ----

const steps = {
  opened: (r, s) => r.opened(s.at),
  heard: (r, s) => r.heard(s.at),
  leave: (r) => r.leave(),
  closed: (r, s) => r.closed(s.at, s.code, s.reason, s.hint),
  online: (r) => ({ delay: r.online() }),
  tick: (r, s) => {
    const { action, next } = r.tick(s.at);
    return { action, next: next === Infinity ? null : next };
  },
};
for (const { name, profile, seed, steps: list } of vectors.cases)
  test(`vectors: ${name}`, () => {
    const rules = new Reconnect({ profile, seed });
    list.forEach((step, i) => {
      const got = steps[step.do](rules, step);
      if (step.expect !== undefined) assert.deepEqual(got, step.expect, `step ${i}`);
    });
  });

test("it is no more than 6 KB on the wire", () => {
  const files = ["wsrt.js", "reconnect.js"].map((name) => readFileSync(new URL(`../../clients/js/${name}`, import.meta.url)));
  assert.ok(gzipSync(Buffer.concat(files), { level: 9 }).length <= 6144);
});

test("an unknown profile is refused", () => {
  assert.throws(() => new Reconnect({ profile: "none" }), TypeError);
});

// ---- a client whose sockets and timers the test holds ----

function held(body) {
  const sockets = [], timers = [], { setTimeout: set, clearTimeout: clear } = globalThis;
  class Held {
    readyState = 1;
    sent = [];
    constructor() { sockets.push(this); }
    send(text) { this.sent.push(text); }
    close(code) { this.closedWith = code; }
  }
  globalThis.setTimeout = (run, ms) => { timers.push({ run, ms }); return timers.length; };
  globalThis.clearTimeout = (id) => { if (timers[id - 1]) timers[id - 1].cleared = true; };
  try {
    return body({ sockets, timers, WebSocket: Held });
  } finally {
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  }
}

const say = (socket, message) => socket.onmessage({ data: JSON.stringify(message) });
const sent = (socket) => socket.sent.map((text) => JSON.parse(text));
// Answers the last request for a session.
const session = (socket, data, type = "session") =>
  say(socket, { type, data, correlationId: sent(socket).findLast((m) => m.type === "resume").correlationId });

const told = (error) => ({ data: JSON.stringify({ type: "error", error }) });

test("a hint of the server's counts for one attempt, so that who is away is left in peace", () => {
  held(({ sockets, timers, WebSocket }) => {
    let now = 0;
    new Client("ws://x", { WebSocket, seed: 7, resume: false, now: () => now }).open();
    const rules = new Reconnect({ seed: 7 });
    sockets[0].onopen();
    rules.opened(0);
    sockets[0].onmessage(told({ code: "RATE_LIMITED", retryAfter: 50 }));
    rules.heard(0);
    for (const hint of [50, 0, 0, 0]) {
      now += 60000;
      sockets.at(-1).onclose({ code: 1006, reason: "" });
      const { ms, run } = timers.at(-1);
      assert.equal(ms, rules.closed(now, 1006, "", hint).delay);
      run();
    }
  });
});

test("a client that left can be opened again, and goes on trying as before", () => {
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 });
    client.open();
    sockets[0].onopen();
    client.close();
    sockets[0].onclose({ code: 1000, reason: "" });
    assert.equal(client.state, "closed");
    client.open();
    sockets[1].onclose({ code: 1006, reason: "" });
    assert.equal(client.state, "connecting");
    timers.at(-1).run();
    assert.equal(sockets.length, 3);
  });
});

test("what is sent into a connection that is closing waits for the next one", () => {
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 });
    client.open();
    sockets[0].onopen();
    sockets[0].readyState = 2;
    const id = client.send({ type: "message" });
    assert.equal(sockets[0].sent.length, 0);
    sockets[0].onclose({ code: 1006, reason: "" });
    timers.at(-1).run();
    sockets[1].onopen();
    assert.deepEqual(sockets[1].sent.map((m) => JSON.parse(m).correlationId), [id]);
  });
});

test("an envelope that says so makes it reconnect, where a server cannot close with a reason", () => {
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, profile: "gateway", now: () => 0 });
    client.open();
    sockets[0].onopen();
    sockets[0].onmessage(told({ code: "SERVICE_RESTART", retryAfter: 400, reconnect: true }));
    assert.equal(client.state, "connecting");
    assert.ok("closedWith" in sockets[0]);
    const { ms, run } = timers.at(-1);
    assert.ok(ms >= 400 && ms <= 600, String(ms));
    run();
    assert.equal(sockets.length, 2);
  });
});

test("what a listener throws is the application's own, and the client goes on", async () => {
  const thrown = [];
  const take = (error) => thrown.push(error.message);
  process.on("uncaughtException", take);
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 });
    const later = [];
    client.on("state", (state) => { throw new Error(state); });
    client.on("message", () => { throw new Error("message"); });
    client.on("message", (m) => later.push(m.type));
    client.subscribe({}, () => { throw new Error("update"); });
    client.open();
    client.send({ type: "waits" });
    sockets[0].onopen();
    assert.deepEqual(sent(sockets[0]).map((m) => m.type), ["subscribe", "waits"]);
    say(sockets[0], { type: "METRICS_UPDATE", updates: [{ eventType: "INSERT", data: {} }] });
    assert.deepEqual(later, ["METRICS_UPDATE"]);
    sockets[0].onclose({ code: 1006, reason: "" });
    timers.at(-1).run();
    assert.equal(sockets.length, 2);
  });
  await new Promise(setImmediate);
  process.off("uncaughtException", take);
  assert.deepEqual(thrown, ["connecting", "open", "update", "message", "connecting"]);
});

test("messages of any shape are survived", () => {
  held(({ sockets, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, now: () => 0 });
    const types = [];
    client.on("message", (m) => types.push(m.type));
    client.subscribe({ load: { gt: 1 } }, () => assert.fail("no update"));
    client.open();
    sockets[0].onopen();
    for (const odd of [null, 5, "text", true, [], {}]) say(sockets[0], odd);
    for (const updates of [null, 7, {}, [null, 3, "x", { data: null }]]) say(sockets[0], { type: "METRICS_UPDATE", updates });
    for (const error of [null, "no", { retryAfter: "soon" }]) say(sockets[0], { type: "error", error });
    session(sockets[0], null);
    assert.deepEqual(types.filter(Boolean), [...Array(4).fill("METRICS_UPDATE"), ...Array(3).fill("error")]);
    assert.equal(client.state, "open");
  });
});

test("without a session a number is the application's own", () => {
  held(({ sockets, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, profile: "gateway", now: () => 0 });
    const numbers = [];
    client.on("message", ({ seq }) => numbers.push(seq));
    client.open();
    sockets[0].onopen();
    for (const seq of [0, 1, 1, 0]) say(sockets[0], { type: "step", seq });
    assert.deepEqual(numbers, [0, 1, 1, 0]);
  });
});

test("what was sent while the session was asked for is sent again with it", () => {
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, now: () => 0 }).open();
    sockets[0].onopen();
    const id = client.send({ type: "message" });
    session(sockets[0], { resumed: false, reason: "new", token: "T", seq: 0 });
    sockets[0].onclose({ code: 1006, reason: "" });
    timers.at(-1).run();
    sockets[1].onopen();
    session(sockets[1], { resumed: true, reason: "resumed", token: "U", seq: 0 });
    assert.deepEqual(sent(sockets[1]).slice(1).map((m) => m.correlationId), [id]);
  });
});

test("what was sent to a server that told of no session is not sent twice", () => {
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, now: () => 0 }).open();
    for (const end of [() => {}, () => session(sockets[1], { resumed: false, reason: "new", token: "T", seq: 0 })]) {
      sockets.at(-1).onopen();
      if (sockets.length === 1) client.send({ type: "message" });
      end();
      sockets.at(-1).onclose({ code: 1006, reason: "" });
      timers.at(-1).run();
    }
    sockets[2].onopen();
    session(sockets[2], { resumed: true, reason: "resumed", token: "U", seq: 0 });
    assert.deepEqual(sent(sockets[2]).map((m) => m.type), ["resume"]);
  });
});

test("a server that gives no session for now is asked again, one that knows none is not", () => {
  for (const retryable of [true, false])
    held(({ sockets, timers, WebSocket }) => {
      new Client("ws://x", { WebSocket, now: () => 0 }).open();
      sockets[0].onopen();
      const { correlationId } = sent(sockets[0])[0];
      say(sockets[0], { type: "error", correlationId, error: { code: "X", retryable } });
      sockets[0].onclose({ code: 1006, reason: "" });
      timers.at(-1).run();
      sockets[1].onopen();
      assert.equal(sockets[1].sent.length, retryable ? 1 : 0);
    });
});

test("who ends a subscription twice ends no other of the same filter", () => {
  held(({ sockets, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 }).open();
    sockets[0].onopen();
    const end = client.subscribe({ a: [1] }, () => {});
    end();
    const heard = [];
    client.subscribe({ a: [1] }, (update) => heard.push(update.data.a));
    end();
    say(sockets[0], { type: "METRICS_UPDATE", updates: [{ eventType: "INSERT", data: { a: 1 } }] });
    assert.deepEqual(heard, [1]);
    assert.deepEqual(sent(sockets[0]).map((m) => m.type), ["subscribe", "unsubscribe", "subscribe"]);
  });
});

test("who subscribes later with the same filter is told what holds, too", () => {
  held(({ sockets, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 }).open();
    sockets[0].onopen();
    for (const snapshot of [false, false, true]) client.subscribe({ a: [1] }, () => {}, { snapshot });
    assert.deepEqual(sent(sockets[0]).map((m) => m.data.snapshot), [false, true]);
  });
});

test("who has left hears no more, and no timer is left", () => {
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, now: () => 0 }).open();
    sockets[0].onopen();
    session(sockets[0], { resumed: false, reason: "new", token: "T", seq: 0 });
    sockets[0].onclose({ code: 1006, reason: "" });
    timers.at(-1).run();
    sockets[1].onopen(); // it has asked for its session, and waits
    const told = [];
    for (const name of ["state", "message", "gap", "error"]) client.on(name, () => told.push(name));
    client.close();
    sockets[1].onmessage?.({ data: "{}" });
    for (const { run, cleared } of timers.slice()) if (!cleared && run.toString().includes("resumed")) run();
    assert.deepEqual(told, []);
    sockets[1].onclose({ code: 1000, reason: "" });
    assert.deepEqual(told, ["state"]);
    assert.ok(timers.slice(2).every(({ cleared }) => cleared), JSON.stringify(timers));
  });
});

test("who leaves and comes back at once has a new connection, and what waited was refused", async () => {
  let refused;
  held(({ sockets, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 }).open();
    sockets[0].onopen();
    refused = assert.rejects(client.request({ type: "message" }), { code: "CLOSED" });
    client.close();
    const states = [];
    client.on("state", (state) => states.push(state));
    client.open();
    sockets[0].onclose({ code: 1000, reason: "" });
    sockets[1].onopen();
    assert.deepEqual(states, ["closed", "connecting", "open"]);
  });
  await refused;
});

test("a listener may leave when it is told that there is no connection", () => {
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 });
    const end = client.on("state", (state) => { if (state === "connecting") client.close(); });
    client.open();
    assert.deepEqual([client.state, sockets.length], ["closed", 0]);
    end();
    client.open();
    sockets[0].onopen();
    client.on("state", (state) => { if (state === "connecting") client.close(); });
    sockets[0].onclose({ code: 1006, reason: "" });
    assert.equal(client.state, "closed");
    assert.ok(timers.every(({ cleared }) => cleared), "something is still to come");
  });
});

test("what is sent by one that is closed waits until it is opened again", () => {
  held(({ sockets, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 }).open();
    client.close();
    sockets[0].onclose({ code: 1006, reason: "" });
    const id = client.send({ type: "message" });
    client.open();
    sockets[1].onopen();
    assert.deepEqual(sent(sockets[1]).map((m) => m.correlationId), [id]);
  });
});

test("messages that a token's end refuses together make one sign-in, which may be refused", async () => {
  const kept = {};
  held((all) => Object.assign(kept, all));
  const { sockets, WebSocket } = kept;
  const tokens = ["old", "new"];
  const client = new Client("ws://x", { WebSocket, resume: false, token: () => tokens.shift(), now: () => 0 }).open();
  const signIns = () => sent(sockets[0]).filter((m) => m.type === "auth");
  const refuse = (correlationId) => say(sockets[0], { type: "error", correlationId, error: { code: "TOKEN_EXPIRED" } });
  sockets[0].onopen();
  await new Promise(setImmediate);
  say(sockets[0], { type: "system", data: { event: "authenticated" }, correlationId: signIns()[0].correlationId });
  for (const id of ["a", "b"]) refuse(client.send({ type: "message", correlationId: id }));
  await new Promise(setImmediate);
  refuse(client.send({ type: "message", correlationId: "c" }));
  assert.deepEqual([signIns().map((m) => m.data.token), sockets[0].closedWith], [["old", "new"], undefined]);
  refuse(signIns()[1].correlationId);
  assert.equal(sockets[0].closedWith, 4401);
  client.close();
  sockets[0].onclose({ code: 1000, reason: "" });
});

test("who opens again after a token was refused twice may ask for another one", () => {
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, token: () => new Promise(() => {}), now: () => 0 });
    for (const opened of [1, 2]) {
      client.open();
      for (const state of ["connecting", "closed"]) {
        sockets.at(-1).onclose({ code: 4401, reason: "" });
        assert.equal(client.state, state, String(opened));
        if (state === "connecting") timers.at(-1).run();
      }
    }
  });
});

test("what waits is what it was when it was sent", () => {
  held(({ sockets, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 }).open();
    const message = { type: "message", data: { n: 1 }, correlationId: undefined };
    const id = client.send(message);
    message.data.n = 2;
    message.data.self = message;
    assert.throws(() => client.send(message), TypeError);
    client.send({ type: "ping" });
    sockets[0].onopen();
    assert.deepEqual(sent(sockets[0]).map((m) => m.data?.n), [1, undefined]);
    assert.equal(sent(sockets[0])[0].correlationId, id);
    assert.equal(typeof id, "string");
  });
});

test("what a listener sends once there is a connection comes behind what waited", () => {
  held(({ sockets, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 });
    client.on("state", (state) => { if (state === "open") client.send({ type: "second" }); });
    client.open();
    client.send({ type: "first" });
    sockets[0].onopen();
    assert.deepEqual(sent(sockets[0]).map((m) => m.type), ["first", "second"]);
  });
});

test("what waits is not poured into a connection that closes", () => {
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, token: "t", now: () => 0 }).open();
    client.send({ type: "message" });
    sockets[0].onopen();
    sockets[0].readyState = 2;
    say(sockets[0], { type: "system", data: { event: "authenticated" } });
    sockets[0].onclose({ code: 1012, reason: "" });
    timers.at(-1).run();
    sockets[1].onopen();
    say(sockets[1], { type: "system", data: { event: "authenticated" } });
    assert.deepEqual([0, 1].map((i) => sent(sockets[i]).filter((m) => m.type === "message").length), [0, 1]);
  });
});

test("a server that takes the connection and says nothing is given up", () => {
  held(({ sockets, timers, WebSocket }) => {
    const client = new Client("ws://x", { WebSocket, resume: false, now: () => 0 }).open();
    assert.equal(timers.at(-1)?.ms, 30000);
    timers.at(-1).run();
    assert.ok("closedWith" in sockets[0]);
    timers.at(-1).run();
    assert.equal(sockets.length, 2);
    sockets[1].onopen();
    assert.equal(client.state, "open");
    assert.ok(timers[2].cleared, "an open connection has no such timer");
  });
});

test("a move to a new connection that hangs is tried again after a minute", () => {
  held(({ sockets, timers, WebSocket }) => {
    let now = 0;
    const client = new Client("ws://x", { WebSocket, profile: "gateway", now: () => now }).open();
    sockets[0].onopen();
    for (const count of [2, 3]) {
      now += count === 2 ? 116 * 60000 : 70000;
      timers.findLast(({ cleared }) => !cleared).run();
      say(sockets[0], { type: "pong" });
      assert.equal(sockets.length, count);
    }
    assert.ok("closedWith" in sockets[1]);
    sockets[2].onopen();
    assert.ok("closedWith" in sockets[0]);
    assert.equal(client.state, "open");
  });
});

test("an address that no socket takes is told", () => {
  class Picky { constructor() { throw new SyntaxError("no such scheme"); } }
  const client = new Client("htp://x", { WebSocket: Picky });
  const told = [];
  client.on("error", ({ code, message }) => told.push(code, message));
  client.open();
  assert.deepEqual([...told, client.state], ["NO_SOCKET", "no such scheme", "closed"]);
});

// ---- filters ----

test("a filter holds here for what it holds for in the server", () => {
  const update = { eventType: "MODIFY", data: { entity_type: "host", load: 12.5, owner: null } };
  const rows = [
    [{}, true], [{ entity_type: ["disk", "host"] }, true], [{ entity_type: ["disk"] }, false],
    [{ load: { gte: 12.5, lt: 13 } }, true], [{ load: { gt: 12.5 } }, false], [{ entity_type: { gt: 0 } }, false],
    [{ owner: [null] }, true], [{ missing: [null] }, false], [{ eventType: ["INSERT"] }, false],
    [{ eventType: ["MODIFY"], load: { lte: 12.5 } }, true],
  ];
  for (const [filter, holds] of rows) assert.equal(matches(filter, update), holds, JSON.stringify(filter));
});

// ---- servers ----

const servers = new Set();

async function serve(...args) {
  const child = spawn(process.env.WSRT ?? "wsrt", ["serve", ...args], { stdio: ["ignore", "pipe", "ignore"] });
  servers.add(child);
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { url } = JSON.parse(line);
  return { child, url, address: url.slice(5, -1), end: async (signal) => { child.kill(signal); await once(child, "exit"); } };
}

const chat = (...more) => serve("--app", "chat", "--dev-token", "good=ann", "--listen", "127.0.0.1:0", ...more);
const until = (client, name, wanted = () => true) => new Promise((resolve) => {
  const end = client.on(name, (value) => { if (wanted(value)) { end(); resolve(value); } });
});
const open = async (client) => {
  const is = until(client, "state", (s) => s === "open");
  client.open();
  await is;
  return client;
};
const hello = (text) => ({ type: "message", data: { action: "say", message: text } });

test("it signs in, and a request has its answer", async () => {
  const server = await chat();
  const client = await open(new Client(server.url, { WebSocket, token: "good" }));
  const answer = await client.request(hello("hi"));
  assert.equal(answer.type, "chat_response");
  const pong = await client.request({ type: "ping", data: { action: "now" } });
  assert.equal(pong.type, "pong");
  client.close();
  assert.equal(await until(client, "state"), "closed");
  await server.end("SIGTERM");
});

test("a rejected message rejects its request, with the issues", async () => {
  const server = await chat();
  const client = await open(new Client(server.url, { WebSocket, token: "good" }));
  await assert.rejects(client.request(hello("")), (error) => {
    assert.equal(error.code, "INVALID_MESSAGE");
    assert.deepEqual(error.issues.map((i) => [i.path, i.message]), [["/data/message", "Message cannot be empty"]]);
    return true;
  });
  client.close();
  await server.end("SIGTERM");
});

test("a token that stays refused ends it", async () => {
  const server = await chat();
  const client = new Client(server.url, { WebSocket, token: "bad" });
  const refused = until(client, "error");
  const ended = until(client, "state", (s) => s === "closed");
  client.open();
  assert.equal((await refused).code, "INVALID_TOKEN");
  await ended;
  await server.end("SIGTERM");
});

test("a refused token is asked for once more", async () => {
  const server = await chat();
  const tokens = ["bad", "good"];
  const client = new Client(server.url, { WebSocket, token: async () => tokens.shift() });
  await open(client);
  assert.equal(tokens.length, 0);
  client.close();
  await server.end("SIGTERM");
});

test("what is sent while a killed server is away arrives at the next one", async () => {
  const first = await chat();
  const client = await open(new Client(first.url, { WebSocket, token: "good", seed: 6 }));
  const lost = until(client, "state", (s) => s === "connecting");
  await first.end("SIGKILL");
  await lost;
  const answer = client.request(hello("still there?"), { timeout: 30000 });
  const second = await serve("--app", "chat", "--dev-token", "good=ann", "--listen", first.address);
  assert.match((await answer).data.content, /still there/);
  client.close();
  await second.end("SIGTERM");
});

test("a draining server says when to come back, and is obeyed", async () => {
  const first = await chat();
  const client = await open(new Client(first.url, { WebSocket, token: "good" }));
  const lost = until(client, "state", (s) => s === "connecting");
  await first.end("SIGTERM");
  await lost;
  const back = until(client, "state", (s) => s === "open");
  const second = await serve("--app", "chat", "--dev-token", "good=ann", "--listen", first.address);
  await back;
  client.close();
  await second.end("SIGTERM");
});

test("beyond its bound the queue refuses", () => {
  const client = new Client("ws://127.0.0.1:1/", { WebSocket, maxQueue: 2 });
  client.open();
  client.send(hello("1"));
  client.send(hello("2"));
  assert.throws(() => client.send(hello("3")), { code: "QUEUE_FULL" });
  client.close();
});

test("who leaves has no answers to wait for", async () => {
  const client = new Client("ws://127.0.0.1:1/", { WebSocket }).open();
  const refused = assert.rejects(client.request(hello("x")), { code: "CLOSED" });
  client.close();
  await refused;
  assert.equal(client.state, "closed");
});

// ---- sessions ----

// A client whose connections the test can break.
const breakable = (url, options) => {
  const sockets = [];
  class Kept extends WebSocket { constructor(...all) { super(...all); sockets.push(this); } }
  const client = new Client(url, { WebSocket: Kept, token: "good", seed: 6, ...options });
  return { client, sockets, cut: () => sockets.at(-1).terminate() };
};
const shout = (text) => ({ type: "message", data: { action: "broadcast", message: text } });
const heard = (client) => {
  const texts = [];
  client.on("message", (m) => { if (m.data?.metadata?.from === "ann") texts.push(m.data.content); });
  return texts;
};
const eventually = async (holds) => { while (!holds()) await new Promise((done) => setTimeout(done, 20)); };

test("after a broken connection each message comes once, in order", async () => {
  const server = await chat("--no-rate-limit");
  const ann = await open(new Client(server.url, { WebSocket, token: "good" }));
  const { client, cut } = breakable(server.url);
  const texts = heard(await open(client));
  const gaps = [];
  client.on("gap", (why) => gaps.push(why));
  const all = Array.from({ length: 30 }, (_, i) => `n${i}`);
  for (const [i, text] of all.entries()) {
    if (i % 10 === 5) cut();
    await ann.request(shout(text));
    if (i % 10 === 9) await eventually(() => texts.length === i + 1);
  }
  assert.deepEqual(texts, all);
  assert.deepEqual(gaps, []);
  ann.close();
  client.close();
  await server.end("SIGTERM");
});

test("what was sent into a breaking connection is done once", async () => {
  const server = await chat("--no-rate-limit");
  const ann = await open(new Client(server.url, { WebSocket, token: "good" }));
  const texts = heard(ann);
  const { client, cut, sockets } = breakable(server.url);
  await open(client);
  await client.request({ type: "ping", data: { action: "now" } });
  for (const text of ["a", "b", "c"]) {
    if (text === "b") sockets.at(-1).send = () => {}; // it never leaves
    const answer = client.request(shout(text), { timeout: 30000 });
    cut();
    assert.equal((await answer).data.content, text);
  }
  await ann.request(shout("end"));
  assert.deepEqual(texts, ["a", "b", "c", "end"]);
  ann.close();
  client.close();
  await server.end("SIGTERM");
});

test("a session moves to a new connection before the old one's time is over", async () => {
  const server = await chat("--no-rate-limit");
  const ann = await open(new Client(server.url, { WebSocket, token: "good" }));
  let skew = 0;
  const { client, sockets } = breakable(server.url, { profile: "gateway", resume: true, now: () => performance.now() + skew });
  const texts = heard(await open(client));
  await ann.request(shout("0"));
  skew = 116 * 60000;
  for (let i = 1; sockets.length < 2 || sockets[0].readyState !== 3 || i < 20; i++) await ann.request(shout(String(i)));
  const sent = String(await ann.request(shout("end")).then((m) => m.data.content));
  await eventually(() => texts.at(-1) === sent);
  assert.equal(sockets.length, 2);
  assert.equal(client.state, "open");
  assert.deepEqual(texts.slice(0, -1), texts.slice(0, -1).map((_, i) => String(i)));
  ann.close();
  client.close();
  await server.end("SIGTERM");
});

test("a server that knows the session no more says so", async () => {
  const first = await chat();
  const { client } = breakable(first.url);
  await open(client);
  await client.request({ type: "ping", data: { action: "now" } });
  const gap = until(client, "gap");
  await first.end("SIGKILL");
  const second = await serve("--app", "chat", "--dev-token", "good=ann", "--listen", first.address);
  assert.equal(await gap, "unknown");
  assert.equal((await client.request(hello("again"))).type, "chat_response");
  client.close();
  await second.end("SIGTERM");
});

test("who does not want a session asks for none", async () => {
  const server = await chat();
  const { client, sockets } = breakable(server.url, { resume: false });
  const messages = [];
  client.on("message", (m) => messages.push(m));
  await open(client);
  await client.request({ type: "ping", data: { action: "now" } });
  assert.ok(messages.every((m) => m.seq === undefined && m.type !== "session"));
  assert.equal(sockets.length, 1);
  client.close();
  await server.end("SIGTERM");
});

// ---- TAP ----

console.log(`1..${cases.length}`);
let failed = 0;
const late = () => new Promise((_, reject) => setTimeout(() => reject(new Error("not done after 40 s")), 40000).unref());
for (const [i, [name, run]] of cases.entries()) {
  try {
    await Promise.race([run(), late()]);
    console.log(`ok ${i + 1} - ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${i + 1} - ${name}\n${String(error.stack).replace(/^/gm, "# ")}`);
  }
  for (const child of servers) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
}
process.exit(failed === 0 ? 0 : 1);
