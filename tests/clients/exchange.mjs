// Sends mixed messages to an echo server with the ws package and compares every answer.
//
//     node exchange.mjs URL COUNT
import WebSocket from "ws";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const socket = new WebSocket(url);

function message(i) {
  switch (i % 7) {
    case 0: return `plain text ${i}`;
    case 1: return Buffer.alloc(i % 300, i);
    case 2: return "";
    case 3: return `Grüße ${i} – 你好 – 🙂`.repeat(1 + (i % 5));
    case 4: return i % 100 === 4 ? "L".repeat(65536) : "m".repeat(i % 2000);
    case 5: return Buffer.alloc(0);
    default: return i % 100 === 6 ? Buffer.alloc(65536, i) : `in fragments ${i} 🙂`;
  }
}

function send(i) {
  const data = message(i);
  if (i % 7 !== 6) return socket.send(data);
  // Cut anywhere, inside a character too: each piece is a frame.
  const bytes = Buffer.from(data);
  const binary = typeof data !== "string";
  const cut = Math.floor(bytes.length / 2);
  socket.send(bytes.subarray(0, cut), { binary, fin: false });
  socket.send(bytes.subarray(cut), { binary, fin: true });
}

function fail(what) {
  console.error(what);
  process.exit(1);
}

setTimeout(() => fail("no end after 60 s"), 60000).unref();
let got = 0;
let sent = 0;
const more = () => {
  while (sent < count && sent - got < 20) send(sent++);
};
socket.on("open", more);
socket.on("error", (error) => fail(error.message));
socket.on("message", (data, binary) => {
  const wanted = message(got);
  if (binary === (typeof wanted === "string")) fail(`message ${got}: text and binary are mixed up`);
  if (!data.equals(Buffer.from(wanted))) fail(`message ${got} came back different`);
  got++;
  if (got < count) return more();
  socket.close(1000, "done");
});
socket.on("close", (code) => {
  if (got !== count || code !== 1000) fail(`closed with ${code} after ${got} messages`);
  console.log(`${got} messages`);
});
