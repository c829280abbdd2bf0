// Asks for /api/state again and again, and keeps what charts need of it: the last minute.

const KEEP = 300; // a minute and a half
const SERIES = ["time", "open", "in", "out", "p50", "p95", "p99", "limited", "invalid", "rejected"];
const CONVERSATION = "websocket_conversation";

const sum = (values) => values.reduce((all, n) => all + n, 0);

// What is told as totals since the start.
function totals(doc) {
  return {
    in: doc.messages.in,
    out: doc.messages.out,
    limited: sum(Object.values(doc.limited ?? {})),
    invalid: doc.invalid?.total ?? 0,
    rejected: doc.rejected ?? 0,
  };
}

// A header holds bytes: those of the text in UTF-8.
const asBytes = (text) => String.fromCharCode(...new TextEncoder().encode(text));

export const operation = (doc, name = CONVERSATION) => doc?.monitor?.operations?.find((o) => o.name === name);

export class Data {
  status = "connecting"; // then live, stale, refused
  reason = "";
  doc;
  history = Object.fromEntries(SERIES.map((name) => [name, []]));
  rates = {};
  heard = 0; // when the last answer came
  token; // of a server with --management bearer
  #before = []; // the totals of the last second, so that what comes once a second is level
  #timer;
  #changed;

  constructor(changed) {
    this.#changed = changed;
    document.addEventListener("visibilitychange", () => document.hidden || this.#soon(0));
    this.#soon(0);
  }

  authorize(token) {
    this.token = token;
    this.#soon(0);
  }

  #soon(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), delay);
  }

  async #ask() {
    try {
      const answer = await this.fetch("/api/state");
      if (!answer.ok) this.#lost(answer.status === 503 ? "stale" : "refused", `${answer.status} ${answer.statusText}`);
      else this.#take(await answer.json());
    } catch (error) {
      this.#lost("stale", error.name === "TimeoutError" ? "no answer" : "not reachable");
    }
    this.#changed(this);
    this.#soon(document.hidden ? 5000 : this.status === "live" ? 500 : 1500);
  }

  fetch(path, options = {}) {
    const headers = this.token ? { Authorization: `Bearer ${asBytes(this.token)}` } : {};
    return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000), ...options, headers });
  }

  async post(path, body) {
    const answer = await this.fetch(path, { method: "POST", body: JSON.stringify(body) });
    this.#soon(0);
    return answer;
  }

  #lost(status, reason) {
    this.status = this.doc ? "stale" : status;
    this.reason = reason;
  }

  #take(doc) {
    const restarted = this.doc && doc.uptime_ms < this.doc.uptime_ms;
    const seconds = this.doc ? (doc.uptime_ms - this.doc.uptime_ms) / 1000 : 0;
    if (restarted) this.#before = [];
    const old = this.doc;
    if (old && !restarted && seconds === 0) return this.#alive(doc);
    this.#measure({ at: doc.uptime_ms / 1000, ...totals(doc) });
    this.#remember(doc, this.#before.length > 1);
    return this.#alive(doc);
  }

  #alive(doc) {
    this.doc = doc;
    this.status = "live";
    this.heard = performance.now();
  }

  #measure(now) {
    this.#before.push(now);
    while (this.#before.length > 2 && now.at - this.#before[1].at >= 0.9) this.#before.shift();
    const [then] = this.#before;
    if (now.at > then.at) for (const name of Object.keys(now)) this.rates[name] = Math.max(0, now[name] - then[name]) / (now.at - then.at);
  }

  #remember(doc, known) {
    const duration = operation(doc)?.duration ?? {};
    const row = { time: doc.time / 1000, open: doc.connections.open, ...(known ? this.rates : {}), ...duration };
    for (const name of SERIES) {
      const values = this.history[name];
      values.push(row[name] ?? null);
      if (values.length > KEEP) values.shift();
    }
  }
}
