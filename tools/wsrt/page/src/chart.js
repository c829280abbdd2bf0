// A line chart whose legend holds the numbers, so that nothing depends on seeing the lines.
import uPlot from "uplot";
import { html } from "htm/preact";
import { useEffect, useRef } from "preact/hooks";

const SHOWN = [15, 60]; // seconds, least and most
const dark = matchMedia("(prefers-color-scheme: dark)");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const MARKS = { OPEN: { shape: "■", color: "--bad" }, CLOSED: { shape: "●", color: "--ok" } };

// Changes of breakers, as lines across every chart.
function mark(u, events) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "center";
  for (const { time, to } of events) {
    if (!MARKS[to]) continue;
    const x = u.valToPos(time / 1000, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = css(MARKS[to].color);
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.globalAlpha = 0.7;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.fillText(MARKS[to].shape, x, bbox.top + 2 * devicePixelRatio);
  }
  ctx.restore();
}

// As much as there is, so that a young page is no empty one.
const stretch = (u) => {
  const [times] = u.data;
  const now = times.at(-1) ?? 0;
  return [now - Math.min(SHOWN[1], Math.max(SHOWN[0], now - (times[0] ?? now))), now];
};
const fewest = (u, min, max) => [0, Math.max(max * 1.15, 1)];
const decades = (u, min, max) => [Math.max(0.001, Math.min(min, 0.1) || 0.01), Math.max(max * 1.5, 10)];

function options(width, height, { series, log, value, events }) {
  const axis = { stroke: css("--muted"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return {
    width, height, legend: { show: false }, cursor: { show: false }, padding: [8, 16, 0, 0],
    scales: {
      x: { time: true, range: stretch },
      y: log ? { distr: 3, range: decades } : { range: fewest },
    },
    axes: [
      { ...axis, size: 22, space: 60, values: (u, ticks) => ticks.map((t) => { const ago = Math.round(u.scales.x.max - t); return ago < 1 ? "now" : `−${ago} s`; }), splits: ({ scales: { x } }) => [1, 0.75, 0.5, 0.25, 0].map((part) => x.max - part * (x.max - x.min)) },
      { ...axis, size: 52, space: 28, values: (u, ticks) => ticks.map((t) => (t === null ? "" : value(t))), ...(log ? { splits: (u) => [0.01, 0.1, 1, 10, 100, 1000, 10000].filter((n) => n >= u.scales.y.min && n <= u.scales.y.max) } : {}) },
    ],
    series: [{}, ...series.map(({ color, dash }) => ({ stroke: css(color), width: 1.75, dash, points: { show: false }, spanGaps: true }))],
    hooks: { draw: [(u) => mark(u, events.current)] },
  };
}

export function Chart({ title, figure, unit, series, history, value, log = false, events, children }) {
  const place = useRef();
  const plot = useRef();
  const latest = useRef(events);
  latest.current = events;

  useEffect(() => {
    const make = () => {
      plot.current?.destroy();
      const { clientWidth: w, clientHeight: h } = place.current;
      plot.current = new uPlot(options(w, h, { series, log, value, events: latest }), [history.time, ...series.map((s) => history[s.name])], place.current);
    };
    make();
    const resize = new ResizeObserver(() => plot.current.setSize({ width: place.current.clientWidth, height: place.current.clientHeight }));
    resize.observe(place.current);
    dark.addEventListener("change", make);
    return () => {
      resize.disconnect();
      dark.removeEventListener("change", make);
      plot.current.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData([history.time, ...series.map((s) => history[s.name])]));

  const last = (name) => history[name].at(-1);
  const words = series.map((s) => `${s.label} ${value(last(s.name) ?? 0)}`).join(", ");
  return html`<section class="panel chart" aria-label=${title}>
    <header><h2>${title}</h2>${children}</header>
    <p class="figure"><strong>${figure}</strong> <span>${unit}</span></p>
    <ul class="legend">${series.map((s) => html`<li style=${{ "--c": `var(${s.color})` }}>
      <svg width="18" height="6" aria-hidden="true"><line x1="0" y1="3" x2="18" y2="3" stroke-dasharray=${s.dash?.join(" ")} /></svg>
      ${s.label} <b>${value(last(s.name) ?? null)}</b></li>`)}</ul>
    <div class="plot" ref=${place} role="img" aria-label=${`${title}, last minute: ${words}`}></div>
  </section>`;
}
