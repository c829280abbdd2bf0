// The live page in Chromium, as people use it: by mouse, by keyboard, light and dark, on a phone.
//
//     WSRT=path/to/wsrt node page.mjs [CASE]
//
// Screenshots go to the folder WSRT_SHOTS, when it is set.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const SHOTS = process.env.WSRT_SHOTS;
const PATIENCE = 60000;
const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const cases = [];
const test = (name, run) => cases.push([name, run]);
let browser;

class Tool {
  static async start(...args) {
    const tool = new Tool();
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("WSRT_") || name.startsWith("WSRT_MANAGEMENT")));
    tool.process = spawn(process.env.WSRT, [args[0], "--listen", "127.0.0.1:0", ...args.slice(1)], { stdio: ["ignore", "pipe", "ignore"], env });
    const [line] = await once(createInterface(tool.process.stdout), "line");
    tool.ready = JSON.parse(line);
    tool.url = `${tool.ready.http}/`;
    return tool;
  }

  async end() {
    if (this.process.signalCode !== null) return;
    this.process.kill("SIGCONT");
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }
}

// Runs `what` with a server, and a page on it which may neither complain nor ask anybody else.
async function look(args, options, what) {
  const tool = await Tool.start(...args);
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.setDefaultTimeout(PATIENCE);
  page.on("console", (m) => complaints.push(`${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => complaints.push(e.stack));
  page.on("request", (r) => new URL(r.url()).host === new URL(tool.url).host || r.url().startsWith("data:") || complaints.push(`asks ${r.url()}`));
  try {
    await page.goto(tool.url);
    await what(page, tool, complaints).catch((error) => { error.stack += `\ncomplaints: ${complaints.join("\n")}`; throw error; });
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
    await tool.end();
  }
}

async function shoot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

const demo = (...args) => ["demo", "--clients", "80", ...args];
const panel = (page, name) => page.getByRole("region", { name, exact: true });
const button = (page, name) => page.getByRole("button", { name, exact: true });
const number = async (locator) => Number((await locator.innerText()).replaceAll(",", ""));
const moves = async (page) => (await panel(page, "Circuit breakers").locator(".transitions .move").allInnerTexts())
  .map((text) => text.replaceAll(/[^a-z→ ]+/g, " ").trim().split(/\s*→\s*/).join(" → ")).reverse();

// Until it holds, or the patience is over.
async function until(what, holds) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const value = await holds();
    if (value) return value;
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("the page that is embedded is the bundled one", () => {
  assert.notEqual(process.env.WSRT_PAGE, "written by hand", "npm ci in tools/wsrt/page, then meson setup --reconfigure");
});

test("the story: clients arrive, the breaker opens, one probe closes it, a bad message shows its issues", () => look(demo(), {}, async (page) => {
  const open = panel(page, "Connections").first().locator(".figure strong");
  const early = await number(open);
  await until("connections climb", async () => (await number(open)) >= 80);
  assert.ok(early < 80, `${early} connections at once`);
  await shoot(page, "1-all-is-well");

  const state = panel(page, "Circuit breakers").locator(".breaker .badge").first();
  await state.and(page.getByText(/closed$/)).waitFor();
  await button(page, "Make it fail").click();
  await state.and(page.getByText(/^\W*open$/)).waitFor();
  await page.getByText(/next probe in/).waitFor();
  await shoot(page, "2-the-breaker-is-open");
  await button(page, "Recover").click();
  await state.and(page.getByText(/closed$/)).waitFor();
  assert.deepEqual(await moves(page), ["closed → open", "open → half open", "half open → closed"]);
  assert.equal(await number(page.locator(".levers .probes")), 1, "calls that the downstream had as probes");

  await button(page, "Empty message (invalid)").click();
  await button(page, "Send").click();
  const issues = panel(page, "Console").getByRole("list", { name: "Issues" });
  await issues.waitFor();
  assert.match(await issues.innerText(), /^\/data\/message Message cannot be empty/);
  const refused = panel(page, "Validation errors").getByText("/$defs/message/minLength").first();
  await refused.waitFor();
  await until("every step of the story is ticked", async () => (await page.locator(".story .done").count()) === 5);
  await panel(page, "Alerts and thresholds").locator(".alerts").getByText("critical").first().waitFor();
  await shoot(page, "3-the-breaker-is-closed");
}));

test("while the downstream fails exactly one probe goes out after each wait, however many calls wait for it", () => look(demo(), {}, async (page) => {
  await until("the fleet is there", async () => (await page.locator(".story .done").count()) === 1);
  await button(page, "Make it fail").click();
  for (const probes of [1, 2]) {
    const failed = async () => (await moves(page)).filter((move) => move === "half open → open").length;
    await until(`probe ${probes} fails`, async () => (await failed()) === probes);
    assert.equal(await number(page.locator(".levers .probes")), probes, "calls that the downstream had as probes");
  }
}));

test("nothing on the page jumps while its numbers change", () => look(demo(), {}, async (page) => {
  await page.addInitScript(() => {
    globalThis.shifted = [];
    new PerformanceObserver((list) => {
      for (const e of list.getEntries()) if (!e.hadRecentInput) globalThis.shifted.push([e.value, e.sources.map((s) => s.node?.className ?? s.node?.nodeName)]);
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.reload();
  await until("the fleet is there", async () => (await page.locator(".story .done").count()) === 1);
  await button(page, "Make it fail").click();
  await page.getByText(/next probe in/).waitFor();
  const shifted = await page.evaluate(() => globalThis.shifted);
  const sum = shifted.reduce((all, [value]) => all + value, 0);
  assert.ok(sum < 0.1, `the layout shifted by ${sum}: ${JSON.stringify(shifted)}`);
}));

test("a keyboard is enough for all of it", () => look(demo(), {}, async (page) => {
  const focused = () => page.evaluate(() => document.activeElement.innerText || document.activeElement.id);
  const go = async (wanted) => {
    for (let i = 0; i < 80; i++) {
      if ((await focused()) === wanted) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`no way to ${wanted} by Tab`);
  };
  await button(page, "Make it fail").waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the numbers");
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(ring, "solid", "the focus can be seen");
  await go("Make it fail");
  await page.keyboard.press("Enter");
  await page.getByText("failing").waitFor();
  await go("Recover");
  await page.keyboard.press("Space");
  await page.getByText(/^\W*well$/).waitFor();
  await go("text");
  await page.keyboard.press("Control+A");
  await page.keyboard.type('{"type":"ping","data":{"action":"typed by hand"}}');
  await page.keyboard.press("Control+Enter");
  await panel(page, "Console").getByText("/data/action", { exact: true }).waitFor();
  await go("find");
  await page.keyboard.type("fleet-");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await panel(page, "Connections").last().getByText("last message").waitFor();
}));

// Text against what is behind it, by WCAG 2.2; 4.5 is asked for.
function faint() {
  const channel = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (...colors) => {
    for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((n) => n / 255);
  };
  const found = [];
  for (const e of document.querySelectorAll("#page *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || e.closest(":disabled, .hidden, .skip")) continue;
    const behind = [];
    for (let p = e; p; p = p.parentElement) behind.unshift(getComputedStyle(p).backgroundColor);
    const [a, b] = [luminance(paint("white", ...behind)), luminance(paint("white", ...behind, getComputedStyle(e).color))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${e.className || e.nodeName} "${e.innerText.slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)];
}

for (const colorScheme of ["light", "dark"])
  test(`it is ${colorScheme} where that is wished, and its text stands out`, () => look(demo(), { colorScheme, reducedMotion: "reduce" }, async (page) => {
    await button(page, "Make it fail").click();
    await page.getByText(/next probe in/).waitFor();
    const [red] = (await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).match(/\d+/g);
    assert.equal(Number(red) > 128, colorScheme === "light");
    assert.deepEqual(await page.evaluate(faint), []);
    await shoot(page, `4-${colorScheme}`);
  }));

for (const width of [360, 768, 1100, 1920])
  test(`it fits ${width} pixels`, () => look(demo("--clients", "20"), { viewport: { width, height: 740 } }, async (page) => {
    await button(page, "Make it fail").waitFor();
    await page.locator(".breaker").first().waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
    await shoot(page, `5-${width}`);
  }));

test("everything has a name that can be read out, and every panel is a landmark", () => look(demo("--clients", "20"), {}, async (page) => {
  await page.locator(".breaker").first().waitFor();
  const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, textarea, section, [role=img]")]
    .filter((e) => !(e.innerText?.trim() && e.nodeName === "BUTTON") && !e.getAttribute("aria-label") && !e.labels?.length && !document.getElementById(e.getAttribute("aria-labelledby")))
    .map((e) => e.outerHTML.slice(0, 80)));
  assert.deepEqual(nameless, []);
  assert.equal(await page.getByRole("main").count(), 1);
  assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1);
  assert.ok((await page.getByRole("region").count()) >= 11);
}));

test("a server that is silent is seen to be", () => look(demo("--clients", "5"), {}, async (page, tool, complaints) => {
  const status = page.getByRole("banner").getByRole("status");
  await status.getByText("live").waitFor();
  tool.process.kill("SIGSTOP");
  await status.getByText(/stale for \d+ s: no answer/).waitFor();
  await shoot(page, "6-stale");
  tool.process.kill("SIGCONT");
  await status.getByText("live").waitFor();
  complaints.length = 0;
}));

test("entities of a dashboard show before and after, through a filter", () => look(demo("--app", "dashboard"), {}, async (page) => {
  const entities = panel(page, "Entities");
  const rows = entities.getByRole("list", { name: "Entities" }).getByRole("listitem");
  await until("a value has changed", async () => (await entities.locator("del").count()) > 0);
  await shoot(page, "7-entities");
  await entities.getByRole("searchbox").fill("region=north load>=0.0");
  await entities.getByRole("button", { name: "Filter" }).click();
  await until("only some are left", async () => (await rows.count()) > 1 && (await rows.count()) <= 6);
  for (const text of await rows.allInnerTexts()) assert.match(text, /region north/);
  await entities.getByRole("searchbox").fill("load>much");
  await page.keyboard.press("Enter");
  await entities.getByRole("alert").getByText('"much" is not a number').waitFor();
}));

test("where nobody may look in, the page says so; with the secret it looks in", async () => {
  process.env.WSRT_MANAGEMENT_TOKEN = "open sesame";
  try {
    await look(["serve", "--management", "bearer"], {}, async (page, tool, complaints) => {
      await page.getByRole("heading", { name: "This page may not look in" }).waitFor();
      complaints.length = 0; // the browser notes each 403
      await page.getByLabel("Secret").fill("open sesame");
      await button(page, "Look in").click();
      await page.getByRole("heading", { name: "Circuit breakers" }).waitFor();
      complaints.length = 0;
    });
  } finally {
    delete process.env.WSRT_MANAGEMENT_TOKEN;
  }
});

test("a secret that no header can carry may be typed again", async () => {
  process.env.WSRT_MANAGEMENT_TOKEN = "open sesame";
  try {
    await look(["serve", "--management", "bearer"], {}, async (page, tool, complaints) => {
      for (const secret of ["Сезам, откройся", "open sesame"]) {
        await page.getByLabel("Secret").fill(secret);
        await button(page, "Look in").click();
      }
      await page.getByRole("heading", { name: "Circuit breakers" }).waitFor();
      complaints.length = 0; // the browser notes each 403
    });
  } finally {
    delete process.env.WSRT_MANAGEMENT_TOKEN;
  }
});

test("without a connection the console sends nothing, and says nothing else", () => look(["serve"], {}, async (page, tool, complaints) => {
  const seen = panel(page, "Console");
  await seen.getByText(/^\W*open$/).waitFor();
  tool.process.kill("SIGKILL");
  await seen.getByText(/^\W*connecting$/).waitFor();
  await page.locator("#text").press("Control+Enter");
  for (let i = 0; i < 3; i++) await button(page, "Burst of 40").evaluate((e) => e.click());
  await until("the console is drawn again", async () => (await button(page, "Burst of 40").isDisabled()));
  await seen.getByText("Nothing sent yet.").waitFor();
  assert.deepEqual(complaints.filter((c) => !c.startsWith("error: ")), []); // the browser notes who is not reachable
  complaints.length = 0;
}));

test("a connection that the console has left changes nothing any more, however late it closes", () => look(["serve", "--dev-token", "good=ann"], {}, async (page) => {
  await page.addInitScript(() => {
    globalThis.ended = 0;
    globalThis.WebSocket = class extends WebSocket {
      constructor(...all) { super(...all); this.addEventListener("close", () => { globalThis.ended++; }); }
      close(...why) { setTimeout(() => super.close(...why), 1000); }
    };
  });
  await page.reload();
  const state = panel(page, "Console").locator(".badge");
  await panel(page, "Console").getByText(/^\W*open$/).waitFor();
  await page.getByLabel("Token").fill("good");
  await button(page, "Sign in").click();
  await panel(page, "Console").getByText("system", { exact: true }).first().waitFor();
  await until("the old connection is closed", () => page.evaluate(() => globalThis.ended === 1));
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  assert.match(await state.innerText(), /open$/);
}));

test("a connection that the server does not tell of has not left for that", () => look(["serve"], {}, async (page, tool, complaints) => {
  const seen = panel(page, "Connections").last();
  await page.route("**/@connections/**", (route) => route.fulfill({ status: 403, body: "{}" }));
  await seen.getByRole("list").getByRole("button").first().click();
  await seen.getByText("The server does not tell.").waitFor();
  await page.unroute("**/@connections/**");
  await seen.getByText("last message").waitFor();
  await page.route("**/@connections/**", (route) => route.fulfill({ status: 410, body: "{}" }));
  await seen.getByText("It has left.").waitFor();
  complaints.length = 0; // the browser notes each
}));

test("of entities that come and never go the latest thousand are kept", () => look(["serve", "--app", "dashboard", "--no-rate-limit"], {}, async (page, tool) => {
  const note = panel(page, "Entities").locator("header .note");
  await note.waitFor();
  await panel(page, "Console").getByText(/^\W*open$/).waitFor();
  const publish = async (i) => assert.ok((await fetch(`${tool.ready.http}/api/publish`, { method: "POST",
    body: JSON.stringify({ eventType: "INSERT", data: { entity_type: "host", entity_id: `h${i}`, load: i } }) })).ok);
  for (let i = 0; i < 1100; i += 50) await Promise.all(Array.from({ length: 50 }, (_, k) => publish(i + k)));
  await until("all updates are there", async () => (await note.innerText()).endsWith("1,100 updates"));
  assert.match(await note.innerText(), /^1,000 known/);
}));

test("it speaks wss with the server's own TLS", async () => {
  const place = mkdtempSync(join(tmpdir(), "wsrt-page-"));
  try {
    assert.equal(spawnSync(file("../support/test-ca"), [place]).status, 0);
    const tls = ["--tls-cert", join(place, "server.pem"), "--tls-key", join(place, "server.key")];
    await look(["serve", ...tls], { ignoreHTTPSErrors: true }, async (page, tool) => {
      assert.equal(new URL(page.url()).protocol, "https:");
      assert.match(tool.ready.url, /^wss:/);
      await panel(page, "Console").getByText(/^\W*open$/).waitFor();
      await button(page, "Ping").click();
      await button(page, "Send").click();
      await panel(page, "Console").getByText("pong", { exact: true }).waitFor();
    });
  } finally {
    rmSync(place, { recursive: true });
  }
});

test("a foreign page can neither look in, nor pull the lever, nor connect", () => look(demo("--clients", "2"), {}, async (page, tool) => {
  const foreign = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>foreign</title>")).listen(0, "127.0.0.1");
  await once(foreign, "listening");
  const other = await page.context().newPage();
  try {
    await other.goto(`http://127.0.0.1:${foreign.address().port}/`);
    const outcome = await other.evaluate(async (url) => {
      const read = await fetch(`${url}api/state`).then(() => "read", () => "refused");
      await fetch(`${url}api/demo/downstream`, { method: "POST", mode: "no-cors", body: '{"mode":"fail"}' });
      const socket = new WebSocket(url.replace("http", "ws"));
      const connected = await new Promise((resolve) => { socket.onopen = () => resolve("open"); socket.onerror = () => resolve("refused"); });
      return { read, connected };
    }, tool.url);
    assert.deepEqual(outcome, { read: "refused", connected: "refused" });
    const state = await (await fetch(`${tool.url}api/state`)).json();
    assert.equal(state.demo.downstream.mode, "ok");
  } finally {
    await other.close();
    foreign.close();
  }
}));

test("the small page of a build without npm works too, under its own policy", async () => {
  const source = readFileSync(file("../../tools/wsrt/page/fallback.html"), "utf8");
  const { stdout: policy } = spawnSync("/usr/bin/python3", ["-B", "-c", "import embed, sys; print(embed.policy(sys.stdin.read()), end='')"],
    { cwd: file("../../tools/wsrt/page"), input: source, encoding: "utf8" });
  assert.match(policy, /script-src 'sha256-/);
  await look(demo(), {}, async (page, tool) => {
    await page.route(tool.url, (route) => route.fulfill({ body: source, contentType: "text/html; charset=utf-8", headers: { "Content-Security-Policy": policy } }));
    await page.goto(tool.url);
    await page.getByRole("cell", { name: "assistant/reply" }).waitFor();
    await button(page, "Make it fail").click();
    await page.getByRole("cell", { name: "OPEN", exact: true }).waitFor();
    await button(page, "Send").click();
    await page.getByText('"type":"pong"').waitFor();
  });
});

// ---- all of them ----

const wanted = cases.filter(([name]) => !process.argv[2] || name.includes(process.argv[2]));
console.log(`1..${wanted.length}`);
browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
  "--disable-features=LocalNetworkAccessChecks"] }); // which take a page that a test fulfils for one of the internet
for (const [i, [name, run]] of wanted.entries())
  try {
    await run();
    console.log(`ok ${i + 1} - ${name}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`not ok ${i + 1} - ${name}\n${String(error.stack).replace(/^/gm, "# ")}`);
  }
await browser.close();
