// One message to COUNT connections through the JavaScript SDK: fanout.mjs MODULES ENDPOINT COUNT prints
// what fanout-client prints. 64 connections are kept, as ours keeps; the first posts open them and let the
// compiler see the code.
import { createRequire } from 'node:module';

const [modules, endpoint, count] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { ApiGatewayManagementApiClient, PostToConnectionCommand } = require('@aws-sdk/client-apigatewaymanagementapi');
const { NodeHttpHandler } = require('@smithy/node-http-handler');
const http = require('node:http');

const WIDTH = 64;
const Data = Buffer.from(JSON.stringify({
  type: 'METRICS_UPDATE',
  updates: [{ eventType: 'MODIFY', timestamp: 1795168831120, data: { entity_id: 'stream-001', entity_type: 'stream', metric_value: 1234 } }],
}));
const client = new ApiGatewayManagementApiClient({
  endpoint, region: 'eu-west-1', credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI' },
  requestHandler: new NodeHttpHandler({ httpAgent: new http.Agent({ keepAlive: true, maxSockets: WIDTH, noDelay: true }) }),
});

async function postMany(n) {
  let next = 0;
  const lane = async () => {
    while (next < n) {
      const ConnectionId = `QbT4${String(next++).padStart(8, '0')}J0A=`;
      const { $metadata } = await client.send(new PostToConnectionCommand({ ConnectionId, Data }));
      if ($metadata.httpStatusCode !== 200) throw new Error($metadata.httpStatusCode);
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, lane));
}

await postMany(Math.min(Number(count), 2000));
const cpu = process.cpuUsage(), began = process.hrtime.bigint();
await postMany(Number(count));
const used = process.cpuUsage(cpu);
console.log(JSON.stringify({ cpu: (used.user + used.system) * 1000, wall: Number(process.hrtime.bigint() - began) }));
process.exit(0);
