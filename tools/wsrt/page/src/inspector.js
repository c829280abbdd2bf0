// The connections, and one of them by the management API.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { clock, count, span } from "./format.js";

export function Inspector({ data, doc, line }) {
  const own = line.id;
  const [chosen, choose] = useState("");
  const [words, search] = useState("");
  const [detail, show] = useState();

  useEffect(() => {
    if (!chosen) return undefined;
    let over = false;
    const ask = async () => {
      const answer = await data.fetch(`/@connections/${encodeURIComponent(chosen)}`).catch(() => undefined);
      const found = await (answer?.ok ? answer.json().catch(() => ({})) : { gone: answer?.status === 410 });
      if (!over) show(found);
    };
    ask();
    const timer = setInterval(ask, 2000);
    return () => { over = true; clearInterval(timer); };
  }, [chosen]);

  const all = doc.inspect ?? [];
  const listed = all.some((c) => c.id === own) || !own ? all : [{ id: own, user: line.user, ip: "", connected: undefined }, ...all];
  const rows = listed.filter((c) => `${c.id} ${c.user} ${c.ip} ${c.agent ?? ""}`.toLowerCase().includes(words.toLowerCase()))
    .sort((a, b) => (b.id === own) - (a.id === own));
  return html`<section class="panel inspector" aria-labelledby="h-inspector">
    <header><h2 id="h-inspector">Connections</h2><p class="note">${count(all.length)} of ${count(doc.connections.open)} listed</p></header>
    <div class="find"><label for="find" class="hidden">Find a connection</label><input id="find" type="search" placeholder="id, user, address or agent" value=${words} onInput=${(e) => search(e.target.value)} /></div>
    <div class="split">
      <ul class="scroll list" tabindex="0" aria-label="Connections">${rows.length ? rows.map((c) => html`<li key=${c.id}><button type="button" aria-pressed=${c.id === chosen} onClick=${() => { show(undefined); choose(c.id); }}>
        <code>${c.id}</code><span>${c.id === own ? "this page" : c.user || "anonymous"}</span></button></li>`) : html`<li class="empty">None fits.</li>`}</ul>
      <div class="detail" aria-live="polite">${!chosen ? html`<p class="empty">Choose one to look into it.</p>` : !detail ? html`<p class="empty">Asking …</p>` : !detail.identity ? html`<p class="empty">${detail.gone ? "It has left." : "The server does not tell."}</p>` : html`<dl>
        <div><dt>id</dt><dd><code>${chosen}</code></dd></div>
        <div><dt>user</dt><dd>${listed.find((c) => c.id === chosen)?.user || "anonymous"}</dd></div>
        <div><dt>address</dt><dd>${detail.identity.sourceIp}</dd></div>
        <div><dt>agent</dt><dd>${detail.identity.userAgent || "–"}</dd></div>
        <div><dt>connected</dt><dd>${clock(Date.parse(detail.connectedAt))}, ${span(doc.time - Date.parse(detail.connectedAt))} ago</dd></div>
        <div><dt>last message</dt><dd>${span(doc.time - Date.parse(detail.lastActiveAt))} ago</dd></div>
      </dl>`}</div>
    </div>
  </section>`;
}
