// A client of libwsrt's chat and dashboard protocols: it stays connected, signs in, keeps its subscriptions
// and what could not be sent yet. Needs nothing but WebSocket; in Node before 22 pass the one of `ws`.

import { Reconnect } from "./reconnect.js";

const EXPIRED = new Set(["TOKEN_EXPIRED", "INVALID_TOKEN", "UNAUTHENTICATED_CONNECTION"]);
// What a listener throws is reported as its own fault, and changes nothing here.
const call = (listener, value) => { try { listener(value); } catch (error) { queueMicrotask(() => { throw error; }); } };
const newId = () => globalThis.crypto?.randomUUID?.() ?? `c-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

export class WsrtError extends Error {
  constructor(error) {
    super(error.message);
    Object.assign(this, error, { name: "WsrtError" });
  }
}

export class Client {
  #url; #opts; #rules; #socket; #spare; #timer; #retry; #hint; #state = "closed"; #signedIn = false;
  #queue = []; #pending = new Map(); #subscriptions = new Map(); #listeners = new Map();
  #session = { last: 0, ahead: new Set() }; #asking; #sent = []; #login;

  // url: ws:// or wss://. token: text, or an async function asked again when the server wants a new one.
  constructor(url, { token, WebSocket = globalThis.WebSocket, protocols = [], profile, seed, maxQueue = 100, resume = profile !== "gateway", now = () => performance.now() } = {}) {
    if (!WebSocket) throw new TypeError("no WebSocket here: pass one");
    this.#url = url;
    this.#opts = { token, WebSocket, protocols, maxQueue, resume, now };
    this.#rules = new Reconnect({ profile, seed });
  }

  get state() { return this.#state; }

  // "state" (name), "message" (object), "error" (WsrtError), "gap" (why messages were lost): returns a
  // function that ends it.
  on(name, listener) {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(listener));
    return () => all.delete(listener);
  }

  #emit(name, value) {
    for (const listener of [...this.#listeners.get(name) ?? []]) call(listener, value);
  }

  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#emit("state", state);
  }

  // Connects and goes on connecting until close().
  open() {
    if (this.#state !== "closed" && !this.#rules.leaving) return this;
    if (this.#state !== "closed") this.#end("closed by us"); // the old connection may take its time to close
    Object.assign(this.#rules, { leaving: false, attempt: 0, refreshed: false });
    globalThis.addEventListener?.("online", this.#online);
    this.#become("connecting");
    if (this.#state === "connecting") this.#connect(); // a listener may have left
    return this;
  }

  // Leaves for good; what waited is refused.
  close() {
    this.#rules.leave();
    for (const timer of [this.#retry, this.#timer, this.#asking?.timer]) clearTimeout(timer);
    for (const socket of [this.#spare, this.#socket]) {
      if (!socket) continue;
      socket.onmessage = null;
      socket.close(1000);
    }
    if (!this.#socket) this.#end("closed by us");
  }

  // Sends a message of the protocol, or keeps it until there is a connection. Returns its correlation id.
  send(message) {
    const id = message.correlationId ?? newId();
    const entry = { id, text: JSON.stringify({ ...message, correlationId: id }) };
    if (this.#state === "open" && this.#socket?.readyState === 1) this.#give(entry);
    else if (this.#queue.length < this.#opts.maxQueue) this.#queue.push(entry);
    else throw new WsrtError({ code: "QUEUE_FULL", message: "too much waits to be sent" });
    return id;
  }

  // As send(), and resolves with the first answer of the same correlation id that is no typing indicator.
  request(message, { timeout = 10000 } = {}) {
    return new Promise((resolve, reject) => {
      const id = this.send(message);
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new WsrtError({ code: "TIMEOUT", message: "no answer" }));
      }, timeout);
      this.#pending.set(id, { resolve, reject, timer });
    });
  }

  // Calls back with each update that the filter holds for; after a reconnection with a snapshot again, so
  // that nothing is missed. Returns a function that ends it.
  subscribe(filter, onUpdate, { snapshot = true } = {}) {
    const key = JSON.stringify(filter);
    const entry = this.#subscriptions.get(key) ?? { filter, snapshot, listeners: new Set() };
    this.#subscriptions.set(key, entry);
    entry.listeners.add(onUpdate);
    entry.snapshot ||= snapshot;
    if (this.#state === "open" && (snapshot || entry.listeners.size === 1)) this.#ask("subscribe", entry);
    return () => {
      if (!entry.listeners.delete(onUpdate) || entry.listeners.size > 0) return;
      this.#subscriptions.delete(key);
      if (this.#state === "open") this.#ask("unsubscribe", entry);
    };
  }

  #ask(type, { filter, snapshot }) {
    this.#write({ type, data: type === "subscribe" ? { filter, snapshot } : { filter }, correlationId: newId() });
  }

  #write(message, socket = this.#socket) {
    socket?.send(JSON.stringify(message));
  }

  // What has no answer yet may have been lost: it is sent again when the session is resumed. The server
  // knows the ids of twice as many.
  #give(entry) {
    this.#socket.send(entry.text);
    if (!this.#opts.resume) return;
    this.#sent.push(entry);
    if (this.#sent.length > 64) this.#sent.shift();
  }

  // ---- one connection ----

  #connect(handover = false) {
    let socket;
    try {
      socket = new this.#opts.WebSocket(this.#url, this.#opts.protocols);
    } catch (error) {
      this.#emit("error", new WsrtError({ code: "NO_SOCKET", message: error.message }));
      return this.#end(error.message);
    }
    if (handover) this.#spare = socket;
    else {
      this.#socket = socket;
      this.#timer = setTimeout(() => this.#drop(socket), 30000); // a peer that takes it and says nothing
    }
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = ({ data }) => this.#heard(socket, data);
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }) => this.#closed(socket, code, String(reason ?? ""));
    socket.on?.("ping", () => this.#alive(socket)); // Node's ws shows protocol pings
    socket.on?.("unexpected-response", (_, response) => { socket.status = response.statusCode; socket.terminate?.(); });
  }

  async #opened(socket) {
    const { token } = this.#opts;
    if (socket === this.#socket) this.#rules.opened(this.#opts.now());
    this.#hint = 0;
    this.#schedule();
    if (token === undefined) return this.#resume(socket);
    await this.#signIn(socket);
  }

  async #signIn(socket) {
    try {
      const token = typeof this.#opts.token === "function" ? await this.#opts.token() : this.#opts.token;
      this.#login = newId();
      if (socket.readyState === 1) this.#write({ type: "auth", data: { action: "login", token }, correlationId: this.#login }, socket);
    } catch (error) {
      this.#emit("error", new WsrtError({ code: "NO_TOKEN", message: error.message }));
      socket.close(1000);
    }
  }

  // ---- the session: numbers of what came, and what was missed ----

  #resume(socket) {
    const { token, last } = this.#session;
    if (!this.#opts.resume) return this.#ready(socket);
    if (!token) this.#sent = [];
    clearTimeout(this.#asking?.timer);
    this.#asking = { socket, id: newId(), held: token && [] };
    this.#write({ type: "resume", data: token ? { token, last } : {}, correlationId: this.#asking.id }, socket);
    if (token) this.#asking.timer = setTimeout(() => this.#resumed({}), 5000);
    else this.#ready(socket);
  }

  // Messages of a session that goes on are told again in their order, so what came meanwhile is known.
  #resumed({ resumed = false, reason = "unknown", token, seq = 0 }) {
    const { socket, held, timer } = this.#asking;
    clearTimeout(timer);
    this.#asking = undefined;
    this.#session = resumed ? { ...this.#session, token } : { token, last: seq, ahead: new Set() };
    if (!held) return; // what was sent meanwhile is of this session
    const sent = this.#sent = resumed ? this.#sent.filter(({ answered }) => !answered) : [];
    this.#ready(socket, sent);
    if (resumed) return;
    this.#emit("gap", reason);
    for (const message of held) this.#take(socket, message);
  }

  // Whether a message is new; one without a number always is, or one that no session gave it.
  #isNew({ seq }) {
    const { token, last, ahead } = this.#session;
    if (!token || seq === undefined) return true;
    if (seq <= last || ahead.has(seq)) return false;
    ahead.add(seq);
    while (ahead.delete(this.#session.last + 1)) this.#session.last++;
    if (ahead.size <= 100) return true;
    this.#session.last = Math.max(...ahead);
    ahead.clear();
    this.#emit("gap", "lost");
    return true;
  }

  #ready(socket, again = []) {
    if (socket.readyState !== 1) return; // it closes, and what waits goes to the next one
    if (socket === this.#spare) {
      const old = this.#socket;
      this.#socket = socket;
      this.#spare = undefined;
      if (old) {
        old.onclose = old.onmessage = null;
        old.close(1000);
      }
      this.#rules.opened(this.#opts.now());
    }
    for (const entry of this.#subscriptions.values()) this.#ask("subscribe", entry);
    for (const { text } of again) socket.send(text);
    for (const entry of this.#queue.splice(0)) this.#give(entry);
    this.#become("open"); // what its listeners send comes behind what waited
    this.#schedule();
  }

  #alive(socket) {
    if (socket !== this.#socket) return;
    this.#rules.heard(this.#opts.now());
    this.#schedule();
  }

  #heard(socket, data) {
    this.#alive(socket);
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (Object(message) !== message) return;
    if (this.#asking?.socket === socket && message.correlationId === this.#asking.id) {
      if (message.type === "error" && !message.error?.retryable) this.#opts.resume = false; // this server has no sessions
      return this.#resumed(message.data ?? {});
    }
    // A session that has moved has told this already, with its number.
    if (this.#asking?.held && this.#asking.socket !== socket && message.seq === undefined) return;
    if (this.#isNew(message)) this.#take(socket, message);
  }

  #take(socket, message) {
    const held = this.#asking?.socket === socket && this.#asking.held;
    if (message.type === "system" && message.data?.event === "authenticated") {
      const first = !this.#signedIn || socket === this.#spare || this.#state !== "open";
      this.#signedIn = true;
      if (first) this.#resume(socket);
    } else if (held && message.type !== "error") return held.push(message);
    if (message.type === "METRICS_UPDATE") this.#update([].concat(message.updates ?? []).filter(Boolean));
    if (message.type === "error") this.#failed(socket, message.error ?? {}, message.correlationId);
    this.#settle(message);
    this.#emit("message", message);
  }

  #failed(socket, error, id = this.#login) {
    this.#hint = error.retryAfter ?? 0;
    if (EXPIRED.has(error.code) && this.#opts.token !== undefined) {
      const asked = this.#signedIn;
      this.#signedIn = false;
      const another = typeof this.#opts.token === "function";
      if (asked && another) this.#signIn(socket);
      else if (!asked && (!another || id === this.#login)) socket.close(4401, "refused"); // not a second time with what was just refused
    }
    this.#emit("error", new WsrtError(error));
    if (error.reconnect) this.#drop(socket);
  }

  // Gives a connection up without waiting for it to close.
  #drop(socket) {
    socket.onclose = socket.onmessage = null;
    socket.close();
    this.#closed(socket, 1006, "");
  }

  #settle(message) {
    const waiting = this.#pending.get(message.correlationId);
    const sent = this.#sent.find((s) => s.id === message.correlationId);
    if (sent) sent.answered = true;
    if (!waiting || message.type === "typing_indicator") return;
    this.#pending.delete(message.correlationId);
    clearTimeout(waiting.timer);
    if (message.type === "error") waiting.reject(new WsrtError(message.error ?? {}));
    else waiting.resolve(message);
  }

  // The server has told only what one of our filters holds for; which one, is decided here.
  #update(updates) {
    for (const update of updates)
      for (const { filter, listeners } of this.#subscriptions.values())
        if (matches(filter, update)) for (const listener of [...listeners]) call(listener, update);
  }

  #closed(socket, code, reason) {
    const other = socket === this.#spare ? this.#socket : this.#spare;
    if (socket === this.#spare) this.#spare = undefined;
    else if (socket === this.#socket) this.#socket = undefined;
    else return;
    if (this.#asking?.socket === socket) clearTimeout(this.#asking.timer), (this.#asking = undefined);
    if (other) return; // the server closes what a session has left
    this.#signedIn = false;
    clearTimeout(this.#timer);
    const next = this.#rules.closed(this.#opts.now(), socket.status ?? code, reason, this.#hint);
    this.#hint = 0; // it was for this attempt
    if (next.action === "stop") return this.#end(reason || `closed with ${code}`);
    if (next.action === "refresh" && typeof this.#opts.token !== "function") return this.#end("the token was refused");
    this.#retry = setTimeout(() => this.#connect(), next.delay ?? 0);
    this.#become("connecting");
  }

  #end(reason) {
    globalThis.removeEventListener?.("online", this.#online);
    this.#socket = this.#spare = undefined;
    clearTimeout(this.#timer);
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new WsrtError({ code: "CLOSED", message: reason }));
    }
    this.#pending.clear();
    this.#queue.length = 0;
    this.#become("closed");
  }

  #online = () => {
    if (this.#state !== "connecting" || this.#socket) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), this.#rules.online());
  };

  // ---- time ----

  #schedule() {
    clearTimeout(this.#timer);
    const { action, next } = this.#rules.tick(this.#opts.now());
    if (action === "ping" && this.#socket?.readyState === 1)
      this.#write({ type: "ping", data: { action: "keepalive" } });
    if (action === "handover" && this.#spare) this.#drop(this.#spare); // it had a minute
    if (action === "handover" && this.#socket) this.#connect(true);
    if (action === "dead") {
      this.#drop(this.#socket ?? this.#spare);
    } else if (action !== "nothing") {
      this.#schedule();
    } else if (next !== Infinity) {
      this.#timer = setTimeout(() => this.#schedule(), Math.max(next - this.#opts.now(), 1));
      this.#timer.unref?.();
    }
  }
}

// The filters of wsrt/stream.h.
export function matches(filter, { eventType, data }) {
  return Object.entries(filter).every(([name, rule]) => {
    const value = name === "eventType" ? eventType : data?.[name];
    if (Array.isArray(rule)) return rule.includes(value);
    return typeof value === "number" && !(value <= rule.gt) && !(value < rule.gte) && !(value >= rule.lt) && !(value > rule.lte);
  });
}
