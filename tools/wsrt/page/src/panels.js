// What the server tells of itself: breakers, alerts, refusals, limits.
import { html } from "htm/preact";
import { bytes, clock, count, ms, percent, span } from "./format.js";

// Shape and word say the state; colour only repeats it.
const STATES = {
  CLOSED: { tone: "ok", shape: "●", word: "closed" },
  HALF_OPEN: { tone: "half", shape: "◐", word: "half open" },
  OPEN: { tone: "bad", shape: "■", word: "open" },
};
const LEVELS = { none: { tone: "ok", shape: "●" }, warning: { tone: "warn", shape: "▲" }, critical: { tone: "bad", shape: "■" } };
const METRICS = { duration: ms, p99: ms, memoryUsage: bytes, errorRate: percent };
const METRIC_WORDS = { duration: "duration", p99: "p99", memoryUsage: "memory", errorRate: "errors" };

export const Badge = ({ tone, shape, children }) => html`<span class=${`badge ${tone}`}><i aria-hidden="true">${shape}</i>${children}</span>`;

export const State = ({ name }) => {
  const { tone, shape, word } = STATES[name] ?? { tone: "half", shape: "◇", word: name.toLowerCase().replace("_", " ") };
  return html`<${Badge} tone=${tone} shape=${shape}>${word}<//>`;
};

const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

// ---- breakers ----

function wait({ stats }, now) {
  if (stats.state === "HALF_OPEN") return "one probe is out";
  if (stats.state !== "OPEN" || !stats.nextAttemptTime) return "";
  const left = new Date(stats.nextAttemptTime) - now;
  return left > 0 ? `next probe in ${(left / 1000).toFixed(1)} s` : "the next call is a probe";
}

const called = ({ service, operation }) => `${service}/${operation}`;

function Breaker({ breaker, counts, now }) {
  const { service, operation, stats } = breaker;
  const failed = Math.min(1, stats.failureRate);
  return html`<li class=${`breaker ${stats.state}`}>
    <div class="name"><b>${service}</b><span>${operation}</span></div>
    <${State} name=${stats.state} />
    <div class="meter" role="img" aria-label=${`${percent(failed)} of calls failed`}><i style=${{ transform: `scaleX(${failed})` }}></i></div>
    <div class="numbers"><span>${percent(failed)} failed</span><span>${count(stats.failureCount)} of ${count(stats.totalRequests)}</span><span>${count(counts?.rejected ?? 0)} refused</span></div>
    <div class="wait">${wait(breaker, now)}</div>
  </li>`;
}

function Transition({ event }) {
  const probe = event.to === "CLOSED" && event.cause === "probe succeeded";
  const detail = event.to === "OPEN" ? `${event.cause}: ${count(event.failures)} failed of ${count(event.failures + event.successes)}, waits ${ms(event.wait_ms)}`
    : event.to === "HALF_OPEN" ? "one probe goes out" : probe ? "the probe came back well" : event.cause;
  return html`<li><time>${clock(event.time)}</time><span class="who">${event.service}/${event.operation}</span>
    ${event.from ? html`<span class="move"><${State} name=${event.from} /><i aria-label="to">→</i><${State} name=${event.to} /></span><span class="why">${detail}</span>` : html`<span class="why">${event.kind}</span>`}</li>`;
}

export function Breakers({ doc }) {
  const counts = new Map((doc.circuits ?? []).map((c) => [called(c), c]));
  const first = doc.demo?.downstream.service;
  const breakers = [...doc.breakers].sort((a, b) => (b.service === first) - (a.service === first) || called(a).localeCompare(called(b)));
  const events = (doc.breaker_events ?? []).slice(-24).reverse();
  return html`<section class="panel breakers" aria-labelledby="h-breakers">
    <header><h2 id="h-breakers">Circuit breakers</h2><p class="note">${breakers.filter((b) => b.stats.state !== "CLOSED").length} not closed of ${breakers.length}</p></header>
    ${breakers.length ? html`<ul class="cards">${breakers.slice(0, 12).map((b) => html`<${Breaker} key=${called(b)} breaker=${b} counts=${counts.get(called(b))} now=${doc.time} />`)}</ul>` : html`<${Empty}>No outside call was made yet.<//>`}
    <h3>Changes of state</h3>
    <ol class="transitions scroll" tabindex="0" aria-label="Changes of state, newest first">${events.length ? events.map((e) => html`<${Transition} key=${e.sequence} event=${e} />`) : html`<li class="empty">None yet: all is well.</li>`}</ol>
  </section>`;
}

// ---- thresholds and alerts ----

function worst(o) {
  return o.thresholds.reduce((most, t) => Math.max(most, Object.keys(LEVELS).indexOf(t.level)), 0);
}

function current(o, metric) {
  if (metric === "duration") return o.duration.max;
  if (metric === "memoryUsage") return o.memoryUsage.max;
  return o.rates["5m"].errorRate ?? (o.count > 0 ? o.errors / o.count : undefined);
}

function Threshold({ o, t }) {
  const { tone, shape } = LEVELS[t.level];
  const write = METRICS[t.metric];
  return html`<tr><td>${METRIC_WORDS[t.metric]}</td><td class="n">${write(current(o, t.metric))}</td><td class="n dim">${write(t.warning)}</td><td class="n dim">${write(t.critical)}</td>
    <td><${Badge} tone=${tone} shape=${shape}>${t.level === "none" ? "ok" : t.level}<//></td></tr>`;
}

export function Thresholds({ doc }) {
  const operations = (doc.monitor?.operations ?? []).filter((o) => o.thresholds.length).sort((a, b) => worst(b) - worst(a));
  const alerts = doc.monitor?.alerts ?? [];
  return html`<section class="panel thresholds" aria-labelledby="h-thresholds">
    <header><h2 id="h-thresholds">Alerts and thresholds</h2></header>
    <ul class="alerts" role="status" aria-live="polite" aria-label="Alerts">${alerts.length ? alerts.map((a) => html`<li key=${`${a.operation} ${a.metric} ${a.kind}`} class=${LEVELS[a.level].tone}>
      <${Badge} tone=${LEVELS[a.level].tone} shape=${LEVELS[a.level].shape}>${a.level}<//> <b>${a.operation}</b> ${METRIC_WORDS[a.metric]}${a.kind === "trend" ? " (trend)" : ""}</li>`)
      : html`<li class="ok"><${Badge} tone="ok" shape="●">quiet<//> Nothing is over its threshold.</li>`}</ul>
    <div class="scroll" tabindex="0" aria-label="Thresholds of operations">${operations.map((o) => html`<table key=${o.name}><caption>${o.name}<span>${ms(o.duration.p50)} p50 · ${ms(o.duration.p99)} p99</span></caption>
      <thead><tr><th scope="col">metric</th><th scope="col" class="n">now</th><th scope="col" class="n">warning</th><th scope="col" class="n">critical</th><th scope="col">level</th></tr></thead>
      <tbody>${o.thresholds.map((t) => html`<${Threshold} key=${t.metric} o=${o} t=${t} />`)}</tbody></table>`)}</div>
  </section>`;
}

// ---- messages that were refused ----

export function Invalid({ doc }) {
  const { total = 0, recent = [] } = doc.invalid ?? {};
  return html`<section class="panel invalid" aria-labelledby="h-invalid">
    <header><h2 id="h-invalid">Validation errors</h2><p class="note">${count(total)} messages refused</p></header>
    <ol class="scroll rows" tabindex="0" aria-label="Validation errors, newest first">${recent.length ? [...recent].reverse().map((r) => html`<li key=${r.sequence}>
      <div><time>${clock(r.time)}</time> <code class="path">${r.path || "(whole message)"}</code>${r.issues > 1 && html` <span class="more">+${r.issues - 1}</span>`}</div>
      <div>${r.text}</div>
      <div class="dim"><code>${r.code}</code> by <code>${r.rule || "JSON"}</code></div></li>`) : html`<li class="empty">Every message was valid so far.</li>`}</ol>
  </section>`;
}

export function Limits({ doc, rates }) {
  const rows = Object.entries(doc.limited ?? {});
  const most = Math.max(1, ...rows.map(([, n]) => n));
  return html`<section class="panel limits" aria-labelledby="h-limits">
    <header><h2 id="h-limits">Rate limits</h2><p class="note">${count(rows.reduce((all, [, n]) => all + n, 0))} hits</p></header>
    ${rows.length ? html`<table><thead><tr><th scope="col">scope</th><th scope="col" class="n">refused</th><th scope="col"><span class="hidden">share</span></th></tr></thead>
      <tbody>${rows.map(([scope, n]) => html`<tr key=${scope}><td>${scope}</td><td class="n">${count(n)}</td><td class="bar"><i style=${{ transform: `scaleX(${n / most})` }}></i></td></tr>`)}</tbody></table>` : html`<${Empty}>This application has no limiter.<//>`}
  </section>`;
}

// ---- the server ----

export function Server({ doc }) {
  const facts = [
    ["resident memory", bytes(doc.memory.resident)],
    ["unsent", bytes(doc.queues.bytes)],
    ["opened", count(doc.connections.opened)],
    ["closed", count(doc.connections.closed)],
    ["connections at most", count(doc.limits.connections)],
    ["message at most", bytes(doc.limits.message)],
  ];
  const closes = Object.entries(doc.closes);
  return html`<section class="panel server" aria-labelledby="h-server">
    <header><h2 id="h-server">Server</h2><p class="note">up ${span(doc.uptime_ms)}</p></header>
    <dl>${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <h3>Closes by code</h3>
    <ul class="chips">${closes.length ? closes.map(([code, n]) => html`<li key=${code}><b>${code}</b> ${count(n)}</li>`) : html`<li class="empty">none yet</li>`}</ul>
  </section>`;
}
