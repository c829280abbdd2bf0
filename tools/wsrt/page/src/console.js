// A client of this page's own, by the project's JavaScript client: what is typed is really sent.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { Client } from "../../../../clients/js/wsrt.js";
import { clock } from "./format.js";
import { Badge } from "./panels.js";

const message = (data, type = "message") => JSON.stringify({ type, data }, null, 1).replaceAll(/\n\s*/g, " ");
const PRESETS = [
  ["Hello", message({ action: "say", message: "hello there" })],
  ["Broadcast", message({ action: "broadcast", message: "hello, everybody" })],
  ["Ping", message({ action: "now" }, "ping")],
  ["Empty message", message({ action: "say", message: "" }), "bad"],
  ["Unknown type", message({ action: "say?", message: "hm" }, "massage"), "bad"],
  ["Not JSON", '{"type": "message", oops}', "bad"],
];
const BURST = 40;
const KEEP = 60;

// The socket under the client, for text that is no message of the protocol.
class Tapped extends WebSocket {
  static last;

  constructor(...rest) {
    super(...rest);
    Tapped.last = this;
  }
}

export class Line {
  state = "closed";
  id = ""; // of the connection, and who it is, told when we have signed in
  user = "";
  log = [];
  overheard = 0;
  refused = 0; // answers with issues in them
  #sent = new Set();
  #changed;

  constructor(changed) {
    this.#changed = changed;
  }

  open(token) {
    this.client?.close();
    const url = new URL("/", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const client = this.client = new Client(url.href, { ...(token ? { token } : {}), WebSocket: Tapped });
    client.on("state", (state) => {
      if (client !== this.client) return; // it was left for another one
      this.state = state;
      this.#changed();
    });
    client.on("message", (m) => this.#heard(m));
    client.open();
  }

  #heard(m) {
    if (m.type === "system" && m.data?.connectionId) { this.id = m.data.connectionId; this.user = m.data.userId ?? ""; }
    if (m.type === "METRICS_UPDATE") return;
    const ours = this.#sent.has(m.correlationId) || m.type === "error" || m.type === "system";
    if (!ours) this.overheard++;
    else if (m.type !== "typing_indicator") this.#note("in", JSON.stringify(m), m);
    if (m.error?.issues) this.refused++;
    this.#changed();
  }

  #note(way, text, m) {
    this.log.unshift({ key: (this.log[0]?.key ?? 0) + 1, way, text, message: m, time: Date.now() });
    this.log.length = Math.min(this.log.length, KEEP);
  }

  // The text as it is, but a message of the protocol gets a correlation id.
  send(text, quiet) {
    if (this.state !== "open") return;
    let object;
    try { object = JSON.parse(text); } catch { /* it goes as it is */ }
    if (!quiet) this.#note("out", text);
    if (object && typeof object === "object" && !Array.isArray(object)) this.#sent.add(this.client.send(object));
    else Tapped.last?.send(text);
    this.#changed();
  }
}

function Entry({ entry: { way, text, message: m, time } }) {
  const error = m?.error;
  return html`<li class=${`${way} ${error ? "error" : ""}`}>
    <div><time>${clock(time)}</time> <i aria-hidden="true">${way === "out" ? "↑" : "↓"}</i> <b>${way === "out" ? "sent" : error ? error.code : m.type}</b></div>
    ${error && html`<p>${error.message}${error.retryAfter ? `, again in ${error.retryAfter} ms` : ""}</p>`}
    ${error?.issues && html`<ul class="issues" aria-label="Issues">${error.issues.map((i) => html`<li key=${i.path + i.code}><code class="path">${i.path || "(whole message)"}</code> ${i.message} <span class="dim">${i.code}</span></li>`)}</ul>`}
    <code class="text">${text}</code></li>`;
}

const TONES = { open: ["ok", "●"], connecting: ["warn", "▲"], closed: ["bad", "■"] };

export function Console({ line, token }) {
  const [text, write] = useState(PRESETS[0][1]);
  const [typed, type] = useState("");
  useEffect(() => line.open(token), [token]);

  const send = (event) => { event.preventDefault(); line.send(text); };
  const burst = () => { for (let i = 0; i < BURST; i++) line.send(PRESETS[2][1], i > 0); };
  const keys = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event); };
  const [tone, shape] = TONES[line.state];
  return html`<section class="panel console" aria-labelledby="h-console">
    <header><h2 id="h-console">Console</h2><${Badge} tone=${tone} shape=${shape}>${line.state}<//></header>
    <div class="presets" role="group" aria-label="Messages to begin with">${PRESETS.map(([name, preset, bad]) => html`<button type="button" key=${name} class=${bad ?? ""} onClick=${() => write(preset)}>${name}${bad && html`<span class="hidden"> (invalid)</span>`}</button>`)}<button type="button" disabled=${line.state !== "open"} onClick=${burst}>Burst of ${BURST}</button></div>
    <form onSubmit=${send}>
      <label for="text" class="hidden">Message</label>
      <textarea id="text" rows="3" spellcheck="false" value=${text} onInput=${(e) => write(e.target.value)} onKeyDown=${keys} aria-describedby="keys"></textarea>
      <div class="send"><button type="submit" class="primary" disabled=${line.state !== "open"}>Send</button><span id="keys" class="note">Ctrl + Enter sends${line.overheard > 0 ? ` · ${line.overheard} broadcasts heard` : ""}</span></div>
    </form>
    ${!token && html`<form class="token" onSubmit=${(e) => { e.preventDefault(); line.open(typed); }}><label for="token">Token</label><input id="token" type="password" autocomplete="off" value=${typed} onInput=${(e) => type(e.target.value)} /><button type="submit">Sign in</button></form>`}
    <ol class="log scroll" tabindex="0" aria-live="polite" aria-label="Sent and received, newest first">${line.log.length ? line.log.map((entry) => html`<${Entry} key=${entry.key} entry=${entry} />`) : html`<li class="empty">Nothing sent yet.</li>`}</ol>
  </section>`;
}
