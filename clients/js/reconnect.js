// When to ping, when to give a connection up or move to a new one, and how long to wait before the next
// attempt: the rules of wsrt/reconnect.h, without a socket or a clock. Times are milliseconds.
// tests/vectors/reconnect.json holds both to the same answers.

const HOUR = 3600000;
const profiles = {
  standalone: { base: 2000, cap: 20000, stable: 5000, interval: 45000, wait: 20000, repeats: 0, handover: 0, spread: 300000 },
  gateway: { base: 2000, cap: 20000, stable: 5000, interval: 300000, wait: 10000, repeats: 1, handover: 6600000, spread: 300000 },
};
const final = (code) => code === 1002 || code === 1003 || (code >= 1007 && code <= 1009) || code === 4403 ||
  code === 4404 || (code >= 4500 && code <= 4599);

export class Reconnect {
  constructor({ profile = "standalone", seed = Math.random() * 2 ** 32, ...other } = {}) {
    if (!profiles[profile]) throw new TypeError(`no profile ${profile}`);
    Object.assign(this, profiles[profile], other);
    this.random = seed >>> 0;
    this.attempt = this.pings = 0;
    this.open = this.up = this.refreshed = this.leaving = false;
  }

  #draw() { // splitmix32
    this.random = (this.random + 0x9e3779b9) >>> 0;
    let z = this.random;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  #uniform(range) {
    return Number((BigInt(Math.floor(range)) * BigInt(this.#draw())) >> 32n);
  }

  #around(middle, spread) {
    return middle - spread + this.#uniform(2 * spread);
  }

  opened(now) {
    this.open = this.up = true;
    this.leaving = false;
    this.openedAt = now;
    this.handoverAt = this.handover > 0 ? now + this.#around(this.handover, this.spread) : Infinity;
    this.heard(now);
  }

  heard(now) {
    this.pings = 0;
    this.pingAt = now + this.#around(this.interval, this.interval / 10);
  }

  leave() {
    this.leaving = true;
  }

  get #due() {
    return this.pings > 0 ? this.pongBy : this.pingAt;
  }

  #act(now) {
    const due = this.#due;
    if (now >= due) {
      const slept = now - due > this.wait;
      if (slept || this.pings <= this.repeats) {
        this.pings = slept ? this.repeats + 1 : this.pings + 1;
        this.pongBy = now + (slept ? 2000 : this.wait);
        return "ping";
      }
      this.open = false;
      return "dead";
    }
    if (now < this.handoverAt) return "nothing";
    this.handoverAt = now + this.#around(60000, 6000);
    return "handover";
  }

  // { action: "nothing" | "ping" | "dead" | "handover", next }; next is Infinity without a deadline.
  tick(now) {
    const action = this.open ? this.#act(now) : "nothing";
    return { action, next: this.open ? Math.min(this.#due, this.handoverAt) : Infinity };
  }

  #delay(code, reason, hint) {
    const said = /^reconnect_ms=(\d+)/.exec(reason ?? "");
    const wanted = Math.min(said ? Number(said[1]) : Math.max(hint ?? 0, 0), HOUR);
    const attempt = this.attempt;
    this.attempt = Math.min(attempt + 1, 64);
    if (wanted > 0) return wanted + this.#uniform(Math.floor(wanted / 2));
    return this.#uniform(code === 1012 ? 10000 : Math.min(this.base * 2 ** attempt, this.cap));
  }

  // { action: "retry", delay } | { action: "refresh" } | { action: "stop" }
  closed(now, code, reason, hint) {
    if (this.up && now - this.openedAt >= this.stable) {
      this.attempt = 0;
      this.refreshed = false;
    }
    this.open = this.up = false;
    const unknown = code === 4401 || code === 401;
    if (this.leaving || final(code) || (unknown && this.refreshed)) return { action: "stop" };
    if (unknown) {
      this.refreshed = true;
      return { action: "refresh" };
    }
    return { action: "retry", delay: this.#delay(code, reason, hint) };
  }

  online() {
    return this.#uniform(1000);
  }
}
