// A dashboard's entities as they change: what METRICS_UPDATE tells, before and after.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { count } from "./format.js";

const SHOWN = 30;
const KEPT = 1000; // the latest: some come and never go
const NAMES = new Set(["entity_type", "entity_id"]);

// "region=north,south load>=0.7" or a filter as JSON; throws what is wrong with it.
export function parse(text) {
  if (text.trim().startsWith("{")) return JSON.parse(text);
  const filter = {};
  for (const term of text.split(/\s+/).filter(Boolean)) {
    const [, name, sign, value] = /^([\w.]+)(=|>=|<=|>|<)(.+)$/.exec(term) ?? [];
    if (!name) throw new Error(`"${term}" is not name=value or name>=number`);
    if (sign === "=") filter[name] = value.split(",").map((v) => (v !== "" && !Number.isNaN(Number(v)) ? Number(v) : v));
    else if (Number.isNaN(Number(value))) throw new Error(`"${value}" is not a number`);
    else filter[name] = { ...filter[name], [{ ">": "gt", ">=": "gte", "<": "lt", "<=": "lte" }[sign]]: Number(value) };
  }
  return filter;
}

const write = (value) => (value === undefined ? "–" : typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value));

function Field({ name, before, after }) {
  const moved = before !== undefined && before !== after;
  return html`<span class=${moved ? "field moved" : "field"}><span class="dim">${name}</span> ${moved && html`<del>${write(before)}</del> <i aria-label="now">→</i> `}<b>${write(after)}</b></span>`;
}

export function Entities({ line }) {
  const [text, write_] = useState("");
  const [wrong, complain] = useState("");
  const [, tick] = useState(0);
  const known = useRef(new Map());
  const updates = useRef(0);
  const end = useRef();

  const subscribe = (event) => {
    event?.preventDefault();
    let filter;
    try { filter = parse(text); } catch (error) { complain(error.message); return; }
    complain("");
    end.current?.();
    known.current = new Map();
    end.current = line.client.subscribe(filter, ({ data, eventType }) => {
      const key = `${data.entity_type} ${data.entity_id}`;
      const all = known.current;
      const before = all.get(key)?.after ?? {};
      updates.current++;
      all.delete(key);
      if (eventType !== "REMOVE") all.set(key, { before, after: data, at: performance.now() });
      if (all.size > KEPT) all.delete(all.keys().next().value);
    });
  };
  const ready = Boolean(line.client);
  useEffect(() => { if (ready) subscribe(); }, [ready]);
  useEffect(() => { const timer = setInterval(() => tick((n) => n + 1), 250); return () => clearInterval(timer); }, []);

  const rows = [...known.current].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true })).slice(0, SHOWN);
  return html`<section class="panel entities" aria-labelledby="h-entities">
    <header><h2 id="h-entities">Entities</h2><p class="note">${count(known.current.size)} known · ${count(updates.current)} updates</p></header>
    <form class="find" onSubmit=${subscribe}><label for="filter" class="hidden">Filter</label>
      <input id="filter" type="search" placeholder="region=north load>=0.7" spellcheck="false" value=${text} aria-describedby="wrong" aria-invalid=${wrong !== ""} onInput=${(e) => write_(e.target.value)} /><button type="submit">Filter</button></form>
    <p id="wrong" class="wrong" role="alert">${wrong}</p>
    <ul class="scroll" tabindex="0" aria-label="Entities">${rows.length ? rows.map(([key, { before, after, at }]) => html`<li key=${key} class=${performance.now() - at < 700 ? "fresh" : ""}>
      <b class="entity">${after.entity_type} ${after.entity_id}</b>${Object.keys(after).filter((name) => !NAMES.has(name)).map((name) => html`<${Field} key=${name} name=${name} before=${before[name]} after=${after[name]} />`)}</li>`) : html`<li class="empty">No update yet. Updates are published at /api/publish.</li>`}</ul>
  </section>`;
}
