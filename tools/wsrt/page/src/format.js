// Numbers and times as people read them, of one width while they change.

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (n) => (n === undefined || n === null || Number.isNaN(n) ? "–" : plain.format(n));

export function rate(n) {
  if (n === undefined || n === null) return "–";
  return n >= 100 ? plain.format(n) : n.toFixed(n >= 10 || n === 0 ? 0 : 1);
}

export function ms(n) {
  if (n === undefined || n === null) return "–";
  if (n >= 1000) return `${(n / 1000).toFixed(n >= 10000 ? 0 : 1)} s`;
  if (n >= 10) return `${n.toFixed(0)} ms`;
  return n >= 0.1 ? `${n.toFixed(1)} ms` : `${(n * 1000).toFixed(0)} µs`;
}

export function bytes(n) {
  if (n === undefined || n === null || n < 0) return "–";
  const units = ["B", "KiB", "MiB", "GiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)} ${units[i]}`;
}

export const percent = (f) => (f === undefined || f === null ? "–" : `${(f * 100).toFixed(f > 0 && f < 0.1 ? 1 : 0)} %`);

export function clock(wall) {
  const t = new Date(wall);
  return [t.getHours(), t.getMinutes(), t.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
}

export function span(msec) {
  const s = Math.max(0, Math.floor(msec / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${String(s % 60).padStart(2, "0")} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor(s / 60) % 60).padStart(2, "0")} m`;
}
