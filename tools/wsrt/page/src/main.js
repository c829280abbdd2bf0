// The live page of a libwsrt server.
import { html } from "htm/preact";
import { render } from "preact";
import { useState } from "preact/hooks";
import { Chart } from "./chart.js";
import { Console, Line } from "./console.js";
import { Data, operation } from "./data.js";
import { Demo, Story } from "./demo.js";
import { Entities } from "./entities.js";
import { count, ms, rate, span } from "./format.js";
import { Inspector } from "./inspector.js";
import { Badge, Breakers, Invalid, Limits, Server, Thresholds } from "./panels.js";

const DASHES = [undefined, [6, 3], [2, 3]];
const lines = (...rows) => rows.map(([name, label, color], i) => ({ name, label, color, dash: DASHES[i] }));
const CONNECTIONS = lines(["open", "open", "--c1"]);
const MESSAGES = lines(["in", "in", "--c1"], ["out", "out", "--c2"]);
const LATENCY = lines(["p50", "p50", "--c1"], ["p95", "p95", "--c2"], ["p99", "p99", "--c3"]);
const REFUSALS = lines(["limited", "rate limit", "--c1"], ["invalid", "invalid", "--c2"], ["rejected", "breaker", "--c3"]);

const story = new Story();
const line = new Line(() => draw());
const data = new Data(() => draw());

const STATUS = { live: ["ok", "●"], connecting: ["warn", "▲"], stale: ["bad", "■"], refused: ["bad", "■"] };

function Status() {
  const [tone, shape] = STATUS[data.status];
  const age = Math.round((performance.now() - data.heard) / 1000);
  const words = data.status === "stale" ? `stale${data.doc ? ` for ${age} s` : ""}: ${data.reason}` : data.status;
  return html`<span role="status" class="status"><${Badge} tone=${tone} shape=${shape}>${words}<//></span>`;
}

function Charts() {
  const { history, rates, doc } = data;
  const events = (doc.breaker_events ?? []).filter((e) => e.to);
  const latest = operation(doc)?.duration ?? {};
  const refused = (rates.limited ?? 0) + (rates.invalid ?? 0) + (rates.rejected ?? 0);
  const common = { history, events };
  return html`<div class="charts">
    <${Chart} ...${common} title="Connections" figure=${count(doc.connections.open)} unit="open" series=${CONNECTIONS} value=${count} />
    <${Chart} ...${common} title="Messages" figure=${count((rates.in ?? 0) + (rates.out ?? 0))} unit="a second" series=${MESSAGES} value=${rate} />
    <${Chart} ...${common} title="Latency" figure=${ms(latest.p99)} unit="99th percentile, last second" series=${LATENCY} value=${ms} log />
    <${Chart} ...${common} title="Refused" figure=${rate(refused)} unit="a second" series=${REFUSALS} value=${rate} />
  </div>`;
}

function Refused() {
  const [token, write] = useState("");
  return html`<section class="panel refused"><h2>This page may not look in</h2>
    <p>The server answers ${data.reason} at <code>/api/state</code>: its management is off, for programs of the same machine, or wants a secret.</p>
    <form class="token" onSubmit=${(e) => { e.preventDefault(); data.authorize(token); }}><label for="secret">Secret</label>
    <input id="secret" type="password" autocomplete="off" value=${token} onInput=${(e) => write(e.target.value)} /><button type="submit" class="primary">Look in</button></form></section>`;
}

function Body() {
  const { doc, rates } = data;
  if (!doc) return data.status === "refused" ? html`<${Refused} />` : html`<p class="empty">Asking the server …</p>`;
  return html`${doc.demo && html`<${Demo} data=${data} doc=${doc} story=${story} />`}
    <${Charts} />
    <div class="grid">
      <${Breakers} doc=${doc} /><${Thresholds} doc=${doc} />
      ${doc.app === "dashboard" && html`<${Entities} line=${line} />`}
      <${Console} line=${line} token=${doc.demo?.token} /><${Invalid} doc=${doc} /><${Limits} doc=${doc} rates=${rates} />
      <${Inspector} data=${data} doc=${doc} line=${line} /><${Server} doc=${doc} />
    </div>`;
}

function App() {
  const { doc } = data;
  return html`<a class="skip" href="#main">Skip to the numbers</a>
    <header class="top"><h1><svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true"><rect width="32" height="32" rx="7" fill="var(--accent)" /><path d="M5 17h5l3-8 5 15 4-9 2 2h3" fill="none" stroke="var(--panel)" stroke-width="2.6" stroke-linejoin="round" stroke-linecap="round" /></svg>
      libwsrt <span>live</span></h1>
      <p class="where">${location.host}${doc ? html` · <b>${doc.app}</b> · up ${span(doc.uptime_ms)}${doc.draining ? " · draining" : ""}` : ""}</p><${Status} /></header>
    <main id="main" class=${data.status === "stale" ? "old" : ""} tabindex="-1"><${Body} /></main>`;
}

let due;
function draw() {
  if (due) return;
  due = requestAnimationFrame(() => {
    due = undefined;
    story.take(data, line);
    render(html`<${App} at=${performance.now()} />`, document.getElementById("page"));
  });
}
setInterval(draw, 1000); // how old the numbers are
draw();
