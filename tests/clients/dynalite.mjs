// DynamoDB as dynalite knows it, on a port of the kernel's choice, in memory, until standard input ends.
// Prints the port; then answers each line "tables PREFIX" with "made" once it has three empty tables:
// PREFIX-a and PREFIX-b, connections in either shape, and PREFIX-messages.
import dynalite from "dynalite";
import readline from "node:readline";

const key = (name, type) => ({ AttributeName: name, KeyType: type });
const index = (name, ...keys) => [{ IndexName: name, KeySchema: keys, Projection: { ProjectionType: "ALL" } }];
const SHAPES = {
  a: {
    AttributeDefinitions: { PK: "S", SK: "S", userId: "S" },
    KeySchema: [key("PK", "HASH"), key("SK", "RANGE")],
    GlobalSecondaryIndexes: index("userId-index", key("userId", "HASH"), key("SK", "RANGE")),
  },
  b: {
    AttributeDefinitions: { connectionId: "S", connected: "S", connectedAt: "N" },
    KeySchema: [key("connectionId", "HASH")],
    GlobalSecondaryIndexes: index("connected-index", key("connected", "HASH"), key("connectedAt", "RANGE")),
  },
  messages: {
    AttributeDefinitions: { sessionId: "S", "timestamp#messageId": "S" },
    KeySchema: [key("sessionId", "HASH"), key("timestamp#messageId", "RANGE")],
  },
};

let url;

async function ask(operation, body) {
  const answer = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": `DynamoDB_20120810.${operation}`,
      "x-amz-date": "20260102T030405Z",
      authorization: "AWS4-HMAC-SHA256 Credential=AK/20260102/us-east-1/dynamodb/aws4_request, " +
        "SignedHeaders=host, Signature=0",
    },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${operation}: ${await answer.text()}`);
  return answer.json();
}

async function make(name, { AttributeDefinitions, ...rest }) {
  const definitions = Object.entries(AttributeDefinitions)
    .map(([AttributeName, AttributeType]) => ({ AttributeName, AttributeType }));
  await ask("CreateTable", {
    TableName: name, BillingMode: "PAY_PER_REQUEST", AttributeDefinitions: definitions, ...rest,
  });
  let table;
  do {
    table = (await ask("DescribeTable", { TableName: name })).Table;
  } while (table.TableStatus !== "ACTIVE" ||
    (table.GlobalSecondaryIndexes ?? []).some((i) => i.IndexStatus !== "ACTIVE"));
}

const server = dynalite({ createTableMs: 0 });
server.listen(0, "127.0.0.1", async () => {
  url = `http://127.0.0.1:${server.address().port}/`;
  console.log(server.address().port);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [, prefix] = line.split(" ");
    for (const [shape, schema] of Object.entries(SHAPES)) await make(`${prefix}-${shape}`, schema);
    console.log("made");
  }
  process.exit(0);
});
