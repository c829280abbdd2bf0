// The shape of Node's runtime client: a loop over http with one kept-alive connection, JSON both ways.
import http from "node:http";

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({keepAlive: true, maxSockets: 1, noDelay: true});
const base = "/2018-06-01/runtime/invocation/";

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {}
      : {"Content-Type": "application/json", "Content-Length": Buffer.byteLength(body)};
    const request = http.request({hostname, port, method, path, agent, headers}, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve([response.headers, Buffer.concat(parts)]));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

for (;;) {
  const [headers, text] = await call("GET", base + "next");
  const event = JSON.parse(text.toString());
  const id = headers["lambda-runtime-aws-request-id"];
  await call("POST", `${base}${id}/response`,
    JSON.stringify({statusCode: 200, body: event.body, isBase64Encoded: false}));
}
