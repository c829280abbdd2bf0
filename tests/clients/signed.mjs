// AWS's own client against a server that checks signatures: the right keys, and everything else.
import assert from 'node:assert/strict';
import {
  ApiGatewayManagementApiClient, GetConnectionCommand, PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';

const [endpoint] = process.argv.slice(2);
const make = (more) => new ApiGatewayManagementApiClient({
  endpoint, region: 'eu-central-1', maxAttempts: 1,
  credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'open sesame' }, ...more,
});
const nobody = 'AAAAAAAAAAAAAAA=';
const nameOf = (client, command) => client.send(command).then(() => 'none', (e) => e.name);
const post = (client) => nameOf(client, new PostToConnectionCommand({ ConnectionId: nobody, Data: 'grüße' }));
const get = (client) => nameOf(client, new GetConnectionCommand({ ConnectionId: nobody }));
// Changes a request on its way, behind the signature.
const changing = (change) => {
  const client = make();
  client.middlewareStack.add(
    (next) => (args) => { change(args.request); return next(args); },
    { step: 'finalizeRequest', priority: 'low', name: 'change' },
  );
  return client;
};

assert.equal(await post(make()), 'GoneException');
assert.equal(await get(make()), 'GoneException');
const wrong = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'open barley' };
assert.equal(await post(make({ credentials: wrong })), 'ForbiddenException');
assert.equal(await post(make({ credentials: { ...wrong, accessKeyId: 'AKIDOTHER' } })), 'ForbiddenException');
assert.equal(await post(make({ systemClockOffset: -600000 })), 'ForbiddenException');
let changed = 0;
const body = changing((r) => { changed++; r.body = 'GRÜßE'; });
assert.equal(await post(body), 'ForbiddenException');
const path = changing((r) => { changed++; r.path = r.path.replace('AAA', 'AAB'); });
assert.equal(await get(path), 'ForbiddenException');
assert.equal(changed, 2);
for (const region of ['us-east-1', 'sa-east-1']) assert.equal(await get(make({ region })), 'GoneException');
