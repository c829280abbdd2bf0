// A client of the chat application on the ws package. Prints what it sends and gets, and fails when
// an answer is not what the protocol promises.
//
//     node transcript.mjs URL TOKEN USER
import WebSocket from "ws";

const [url, token, user] = process.argv.slice(2);
const name = `${user} (Node ws)`;
const socket = new WebSocket(url);
const inbox = [];
let wake = () => {};

function fail(what) {
  console.log(`${name}  FAILED: ${what}`);
  process.exit(1);
}

setTimeout(() => fail("no answer in 10 s"), 10000).unref();
socket.on("error", (error) => fail(error.message));
socket.on("message", (data) => {
  inbox.push(JSON.parse(data.toString()));
  wake();
});

function show(arrow, message) {
  console.log(`${name}  ${arrow}  ${JSON.stringify(message)}`);
}

function send(type, data) {
  const message = { type, data };
  show("->", data.token ? { type, data: { ...data, token: "..." } } : message);
  socket.send(JSON.stringify(message));
}

// The next message of a type; typing indicators and the like may come between.
async function next(type) {
  for (;;) {
    while (inbox.length === 0) await new Promise((resolve) => (wake = resolve));
    const message = inbox.shift();
    show("<-", message);
    if (message.type === type) return message;
  }
}

function check(condition, what) {
  if (!condition) fail(what);
}

await new Promise((resolve) => socket.once("open", resolve));
send("auth", { action: "login", token });
check((await next("system")).data.userId === user, "not signed in");
send("message", { action: "chat", message: "Hello!", sessionId: "demo" });
check((await next("chat_response")).data.content.includes("Hello!"), "no answer to the message");
send("ping", { action: "now" });
check((await next("pong")).data.connectionId.length > 0, "no connection id in the pong");
send("message", { action: "chat", message: "" });
const refused = await next("error");
check(refused.error.type === "VALIDATION_ERROR", "not a validation error");
check(refused.error.issues[0].path === "/data/message", "the issue names another place");
check(refused.error.issues[0].message === "Message cannot be empty", "the issue says something else");
send("message", { action: "broadcast", message: "Hello, everybody!" });
check((await next("chat_response")).data.metadata.from === user, "the broadcast is not from here");
socket.close(1000);
await new Promise((resolve) => socket.once("close", resolve));
console.log(`${name}  done`);
