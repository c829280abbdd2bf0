// Follows `wsrt demo` through its story, by its API and, where Chromium is, on its page; says what it sees.
//
//     node story.mjs http://127.0.0.1:PORT/
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { get } from "node:http";
import { WebSocket } from "ws";

const CHROMIUM = "/usr/bin/chromium";
const PATIENCE = 30000;
const PAGE_MOST = 60 * 1024;
const url = process.argv[2];
const began = Date.now();
const say = (text) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(5)} s  ${text}`);
const state = async () => (await fetch(`${url}api/state`)).json();
const pull = (mode) => fetch(`${url}api/demo/downstream`, { method: "POST", body: JSON.stringify({ mode }) });
const moves = ({ breaker_events: all, demo }) => all.filter((e) => e.service === demo.downstream.service && e.to).map((e) => e.to).join(" ");

async function until(what, holds) {
  for (const end = Date.now() + PATIENCE; ;) {
    const now = await state();
    if (holds(now)) return now;
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function page() {
  return new Promise((resolve, reject) => get(url, { headers: { "Accept-Encoding": "gzip" } }, (answer) => {
    let bytes = 0;
    answer.on("data", (part) => { bytes += part.length; });
    answer.on("end", () => resolve({ bytes, policy: answer.headers["content-security-policy"] }));
  }).on("error", reject));
}

// What the server answers to a message that its schema refuses.
function mistake() {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace("http", "ws"));
    socket.on("error", reject);
    socket.on("open", () => socket.send('{"type":"ping","data":{"action":"no spaces, please"}}'));
    socket.on("message", (text) => {
      socket.close();
      resolve(JSON.parse(text).error.issues[0]);
    });
  });
}

// The page next to the API, if it can be seen here.
async function look() {
  if (!existsSync(CHROMIUM)) return undefined;
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
  const complaints = [];
  const seen = await browser.newPage();
  seen.on("console", (m) => complaints.push(m.text()));
  seen.on("pageerror", (e) => complaints.push(e.message));
  await seen.goto(url);
  return { browser, seen, complaints };
}

const { bytes, policy } = await page();
assert.ok(bytes < PAGE_MOST && policy.startsWith("default-src 'none'"));
say(`the page has ${(bytes / 1024).toFixed(1)} KiB, and runs no code but its own`);
const eyes = await look();
const { wanted } = (await state()).demo.fleet;
await until("clients arrive", (s) => s.connections.open >= wanted);
say(`${wanted} clients are here`);
await pull("fail");
await until("the breaker opens", (s) => moves(s).endsWith("OPEN") && moves(s) !== "");
say("the downstream fails: its breaker is open");
await pull("recover");
const before = await state();
const closed = await until("the breaker closes", (s) => moves(s).endsWith("CLOSED"));
assert.equal(moves(closed).slice(moves(before).length), " HALF_OPEN CLOSED");
assert.equal(closed.demo.downstream.probes, 1, "calls that the downstream had as probes");
say(`it refused ${closed.rejected} calls, sent one probe, and is closed`);
const issue = await mistake();
assert.equal(issue.path, "/data/action");
say(`a bad message is told why: ${issue.path}: ${issue.message}`);
if (eyes) {
  await eyes.seen.waitForFunction(() => document.querySelectorAll(".story .done").length >= 4, undefined, { timeout: PATIENCE });
  assert.deepEqual(eyes.complaints, []);
  await eyes.browser.close();
  say("Chromium saw all of it on the page, and had nothing to complain of");
}
