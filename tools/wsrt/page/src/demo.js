// `wsrt demo`: a story to try, and the buttons that make the downstream fail.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { count } from "./format.js";
import { Badge } from "./panels.js";

const MODES = { ok: ["ok", "●", "well"], failing: ["bad", "■", "failing"], slow: ["warn", "▲", "slow"] };

// Which steps of the story have happened; a step stays done.
export class Story {
  steps = { arrive: false, open: false, probe: false, close: false, bad: false };

  take({ doc }, line) {
    const done = this.steps;
    if (!doc?.demo) return;
    const moves = (doc.breaker_events ?? []).filter((e) => e.service === doc.demo.downstream.service && e.to);
    const opened = moves.findIndex((e) => e.to === "OPEN");
    const after = opened < 0 ? [] : moves.slice(opened);
    done.arrive ||= doc.demo.fleet.open >= doc.demo.fleet.wanted * 0.98;
    done.open ||= opened >= 0;
    done.probe ||= after.some((e) => e.to === "HALF_OPEN");
    done.close ||= after.some((e) => e.to === "CLOSED");
    done.bad ||= line.refused > 0;
  }
}

export function Demo({ data, doc, story }) {
  const [wrong, complain] = useState("");
  const { fleet, downstream } = doc.demo;
  const set = async (mode) => {
    try {
      const answer = await data.post("/api/demo/downstream", { mode });
      complain(answer.ok ? "" : `${answer.status} ${answer.statusText}`);
    } catch { complain("not reachable"); }
  };
  const steps = [
    ["arrive", `${count(fleet.wanted)} clients arrive`, `${count(fleet.open)} are here`],
    ["open", "Make it fail: the breaker opens", "calls are refused at once"],
    ["probe", "After its wait one probe goes out", "only one"],
    ["close", "Recover: the next probe closes it", "all is well again"],
    ["bad", "Send an invalid message below", "see path and rule"],
  ];
  const next = steps.find(([name]) => !story.steps[name])?.[0];
  const [tone, shape, word] = MODES[downstream.mode];
  return html`<section class="demo" aria-labelledby="h-demo">
    <h2 id="h-demo" class="hidden">The story</h2>
    <ol class="story">${steps.map(([name, text, more]) => html`<li key=${name} class=${story.steps[name] ? "done" : name === next ? "next" : ""} aria-current=${name === next ? "step" : undefined}>
      <i aria-hidden="true">${story.steps[name] ? "✓" : ""}</i><span><b>${text}</b><small>${story.steps[name] ? "done" : more}</small></span></li>`)}</ol>
    <div class="levers" role="group" aria-label="The downstream">
      <p>Downstream <code>${downstream.service}</code> is <span role="status"><${Badge} tone=${tone} shape=${shape}>${word}<//></span> <span class="dim">${count(downstream.calls)} calls, <span class="probes">${count(downstream.probes)}</span> as probes</span></p>
      <div><button type="button" class="danger" aria-pressed=${downstream.mode === "failing"} onClick=${() => set("fail")}>Make it fail</button>
      <button type="button" aria-pressed=${downstream.mode === "slow"} onClick=${() => set("slow")}>Slow it down</button>
      <button type="button" class="primary" disabled=${downstream.mode === "ok"} onClick=${() => set("recover")}>Recover</button></div>
      <p class="wrong" role="alert">${wrong}</p>
    </div>
  </section>`;
}
