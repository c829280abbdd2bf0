// The echo server of the ws package, as its README shows it. The package is looked up in the folder
// given as first argument; with a certificate and its key behind it, over TLS.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createRequire } from "node:module";

const [, , folder, cert, key] = process.argv;
const { WebSocketServer } = createRequire(folder + "/")("ws");
const tell = (listener) => () => console.log(JSON.stringify({ event: "listening", port: listener.address().port }));
let server;
if (cert === undefined) {
  server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => tell(server)());
} else {
  const secure = createServer({ cert: readFileSync(cert), key: readFileSync(key) });
  server = new WebSocketServer({ server: secure });
  secure.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, tell(secure));
}
server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
