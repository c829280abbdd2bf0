// Heads of requests through libwsrt's parser and Node's server: what we take, Node takes as the same one
// request with the same body, so that nobody can hide a request between the two.
// Usage: differential_http.mjs DRIVER CORPUS [SEED]
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';

const MUTANTS = 6000, AT_ONCE = 64;
const [driver, corpus, seed = '1'] = process.argv.slice(2);

let state = BigInt(seed);
const below = (n) => {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number((state >> 33n) % BigInt(n));
};
const pick = (list) => list[below(list.length)];

const PIECES = ['\r\n', '\n', '\r', ' ', '\t', '\0', ':', ',', ';', '\r\n ', 'Content-Length: 3\r\n',
  'Content-Length: 3, 3\r\n', 'content-length:\t3 \r\n', 'Content-Length: +3\r\n', 'Content-Length: 0x3\r\n',
  'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding : chunked\r\n', 'Transfer-Encoding: xchunked\r\n',
  'Transfer-Encoding:\x0bchunked\r\n', 'Host: h\r\n', 'Connection: close\r\n', 'Expect: 100-continue\r\n',
  'GET / HTTP/1.1\r\nHost: h\r\n\r\n', '%00', '%zz', '#', '\x80', '\x7f'];
const BASES = ['GET / HTTP/1.1\r\nHost: h\r\n\r\n', 'POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n',
  'PUT /x HTTP/1.1\r\nHost: h\r\nX: y\r\nContent-Length: 0\r\n\r\n', 'GET http://h/p HTTP/1.1\r\nHost: h\r\n\r\n',
  'DELETE /%2F HTTP/1.1\r\nHost: h\r\nA: 1\r\nB:2\r\n\r\n', 'GET / HTTP/1.0\r\n\r\n'];

const mutate = (base) => {
  let bytes = base;
  for (let n = 1 + below(2); n > 0; n--) {
    const line = bytes.indexOf('\r\n', below(bytes.length)); // half of the pieces are lines of their own
    const at = below(2) === 0 && line >= 0 ? line + 2 : below(bytes.length + 1), cut = below(4) === 0 ? below(6) : 0;
    bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(below(8) === 0 ? '' : pick(PIECES), 'latin1'), bytes.subarray(at + cut)]);
  }
  return bytes;
};

const seeds = readdirSync(corpus).map((name) => readFileSync(`${corpus}/${name}`)).filter((b) => b[0] % 4 !== 0).map((b) => b.subarray(3));
const bases = BASES.map((text) => Buffer.from(text, 'latin1'));
const inputs = [...seeds, ...bases, ...Array.from({ length: MUTANTS }, () => mutate(below(4) === 0 ? pick(seeds) : pick(bases)))];

const framed = inputs.flatMap((b) => { const len = Buffer.alloc(4); len.writeUInt32LE(b.length); return [len, b]; });
const told = spawnSync(driver, { input: Buffer.concat(framed), maxBuffer: 1 << 28, encoding: 'latin1' });
assert.equal(told.status, 0);
const verdicts = told.stdout.split('\n').slice(0, -1);
assert.equal(verdicts.length, inputs.length);

// ---- Node

const heard = new Map(); // by the client's port
const note = (socket) => heard.get(socket.remotePort) ?? heard.set(socket.remotePort, []).get(socket.remotePort);
const server = createServer({ keepAlive: true, requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
  let length = 0;
  request.on('data', (data) => { length += data.length; });
  request.on('end', () => {
    note(request.socket).push({ method: request.method, target: request.url, length });
    response.end();
  });
});
for (const kind of ['checkContinue', 'checkExpectation']) server.on(kind, (request, response) => server.emit('request', request, response));
server.on('upgrade', (request, socket) => { note(socket).push({ method: request.method, target: request.url, length: 0 }); socket.destroy(); });
server.on('connect', (request, socket) => { note(socket).push({ method: request.method, target: request.url, length: 0 }); socket.destroy(); });
server.on('clientError', (error, socket) => { note(socket).push({ error: error.code }); socket.destroy(); });
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const askNode = async (bytes) => {
  const socket = connect(server.address().port, '127.0.0.1');
  await once(socket, 'connect');
  const port = socket.localPort;
  socket.on('error', () => {}).resume().end(bytes);
  await once(socket, 'close');
  const told = heard.get(port) ?? [];
  heard.delete(port);
  return told;
};

// ---- what we take, each beside Node

const SAID_OTHERWISE = { HPE_INVALID_METHOD: 'a method that Node does not know', HPE_INVALID_VERSION: 'HTTP/1.2' };
let compared = 0;
const skipped = {}, wrong = [];
const judge = async (i) => {
  const [, head, length, method, ...rest] = verdicts[i].split(' ');
  const whole = Buffer.concat([inputs[i].subarray(0, Number(head)), Buffer.alloc(Number(length), 'x')]);
  const node = await askNode(whole);
  const why = SAID_OTHERWISE[node[0]?.error];
  if (why !== undefined) { skipped[why] = (skipped[why] ?? 0) + 1; return; }
  compared++;
  const target = rest.join(' '), same = node.length === 1 && node[0].method === method && node[0].length === Number(length) &&
    (node[0].target === target || node[0].target.replace(/^https?:\/\/[^/?]*/i, '') === target || node[0].target.replace(/^https?:\/\/[^/?]*/i, '/') === target);
  if (!same) wrong.push({ input: inputs[i].toString('latin1'), ours: verdicts[i], node });
};
const taken = verdicts.flatMap((verdict, i) => (verdict.startsWith('done ') ? [i] : []));
for (let at = 0; at < taken.length; at += AT_ONCE) await Promise.all(taken.slice(at, at + AT_ONCE).map(judge));
server.close();
for (const one of wrong.slice(0, 5)) console.log(JSON.stringify(one, null, 1));
console.log(`${inputs.length} heads, ${taken.length} taken, ${compared} compared with Node, skipped: ${JSON.stringify(skipped)}`);
assert.equal(wrong.length, 0);
assert.ok(compared > 700);
