// AWS's own client against our @connections: every operation, every name of an error, and 32 at once.
import assert from 'node:assert/strict';
import {
  ApiGatewayManagementApiClient, DeleteConnectionCommand, GetConnectionCommand, PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import WebSocket from 'ws';

const [endpoint, url] = process.argv.slice(2);
const make = (where) => new ApiGatewayManagementApiClient({
  endpoint: where, region: 'eu-central-1', maxAttempts: 1,
  credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'none' },
});
const client = make(endpoint);
const post = (id, data, by = client) => by.send(new PostToConnectionCommand({ ConnectionId: id, Data: data }));
const get = (id) => client.send(new GetConnectionCommand({ ConnectionId: id }));
const remove = (id) => client.send(new DeleteConnectionCommand({ ConnectionId: id }));

// The chat tells an id to who signs in.
const open = () => new Promise((resolve, reject) => {
  const ws = new WebSocket(url, { headers: { 'User-Agent': 'management/1' } });
  const waiting = [], had = [];
  ws.on('message', (data, binary) => {
    const one = { data, binary };
    if (waiting.length > 0) waiting.shift()(one); else had.push(one);
  });
  ws.next = () => (had.length > 0 ? Promise.resolve(had.shift()) : new Promise((r) => waiting.push(r)));
  ws.on('error', reject);
  ws.on('open', () => resolve(ws));
});
const idOf = async (ws) => {
  ws.send(JSON.stringify({ type: 'auth', data: { action: 'authenticate', token: 'sesame' } }));
  const welcome = (await ws.next()).data.toString();
  const id = /"connectionId":"([A-Za-z0-9_-]{15}=)"/.exec(welcome);
  assert.ok(id, welcome);
  return id[1];
};
const fails = async (promise, name, status) => {
  const e = await promise.then(() => null, (error) => error);
  assert.ok(e, `${name} was expected`);
  assert.equal(e.name, name);
  assert.equal(e.$metadata.httpStatusCode, status);
  assert.match(e.$metadata.requestId, /^[0-9a-f-]{36}$/);
};

const ws = await open();
const id = await idOf(ws);

// PostToConnection: text, binary, empty, the largest.
assert.equal((await post(id, 'grüße')).$metadata.httpStatusCode, 200);
assert.deepEqual(await ws.next(), { data: Buffer.from('grüße'), binary: false });
await post(id, new Uint8Array([255, 254]));
assert.deepEqual(await ws.next(), { data: Buffer.from([255, 254]), binary: true });
const largest = 'x'.repeat(131072);
await post(id, largest);
assert.equal((await ws.next()).data.toString(), largest);

// GetConnection: times of this moment, our agent.
const seen = await get(id);
assert.ok(seen.ConnectedAt instanceof Date && seen.LastActiveAt instanceof Date);
assert.ok(Math.abs(seen.ConnectedAt - Date.now()) < 60000 && seen.LastActiveAt >= seen.ConnectedAt);
assert.deepEqual(seen.Identity, { SourceIp: '127.0.0.1', UserAgent: 'management/1' });

// Names of errors.
await fails(post('AAAAAAAAAAAAAAA=', 'x'), 'GoneException', 410);
await fails(get('AAAAAAAAAAAAAAA='), 'GoneException', 410);
await fails(remove('AAAAAAAAAAAAAAA='), 'GoneException', 410);
await fails(post('not an id', 'x'), 'BadRequestException', 400);
await fails(post(id, 'x', make(endpoint + '/other')), 'ForbiddenException', 403);
for (let i = 0; i < 20; i++) await fails(post(id, 'x'.repeat(131073)), 'PayloadTooLargeException', 413);
assert.equal((await post(id, 'x', make(endpoint + '/prod'))).$metadata.httpStatusCode, 200);
assert.equal((await ws.next()).data.toString(), 'x');

// 32 at once over kept connections, each message once.
const texts = Array.from({ length: 1600 }, (_, i) => `message ${i}`);
const left = texts.slice();
await Promise.all(Array.from({ length: 32 }, async () => {
  while (left.length > 0) await post(id, left.pop());
}));
const received = [];
while (received.length < texts.length) received.push((await ws.next()).data.toString());
assert.deepEqual(received.sort(), texts.slice().sort());

// A reader that does not read: its queue fills, and says so by name.
const lazy = await open();
const lazyId = await idOf(lazy);
lazy.pause();
let full = null;
for (let i = 0; i < 2000 && full === null; i++) full = await post(lazyId, largest).then(() => null, (e) => e);
assert.equal(full?.name, 'LimitExceededException');
lazy.terminate();

// DeleteConnection.
const closed = new Promise((resolve) => ws.on('close', resolve));
assert.equal((await remove(id)).$metadata.httpStatusCode, 204);
assert.equal(await closed, 1000);
await fails(remove(id), 'GoneException', 410);
process.exit(0);
