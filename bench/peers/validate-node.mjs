// Ajv and Zod over ready strings, their best case: JSON.parse, then the validator. Arguments: the file
// of messages, the engine (ajv, ajv-bytes, zod), the folder of the packages, the schema's file.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [file, engine, folder, schemaFile] = process.argv.slice(2);
const require = createRequire(folder + "/");

function readGroups() {
  const bytes = readFileSync(file);
  const groups = new Map();
  let at = 0;
  const line = () => {
    const end = bytes.indexOf(10, at);
    const text = bytes.toString("latin1", at, end);
    at = end + 1;
    return text;
  };
  while (at < bytes.length) {
    const head = line().split(" ");
    if (head[0] !== "group") continue;
    const messages = [];
    for (let i = 0; i < Number(head[2]); i++) {
      const length = Number(line());
      // Round trip through a buffer of its own: a flat string, in one byte a character where it can be.
      messages.push(bytes.toString("utf8", at, at + length));
      at += length + 1;
    }
    groups.set(head[1], messages);
  }
  return groups;
}

function ajv(unicode) {
  const Ajv = require("ajv/dist/2020").default;
  const schema = JSON.parse(readFileSync(schemaFile, "utf8"), (name, value) =>
    name === "errorMessage" ? undefined : value);
  const validator = new Ajv({ unicode: unicode ? undefined : false, strict: false });
  return validator.compile(schema);
}

function zod() {
  const { z } = require("zod");
  const word = (most, pattern) => z.string().min(1).max(most).regex(pattern);
  const data = {
    action: word(50, /^[a-zA-Z0-9_]+$/),
    message: word(10000, /^[\s\S]*$/).optional(),
    sessionId: word(100, /^[a-zA-Z0-9\-_]+$/).optional(),
    token: word(10000, /^[a-zA-Z0-9\-_.]+$/).optional(),
  };
  const of = (type, more) => z.object({ type: z.literal(type), data: z.object({ ...data, ...more }) });
  const union = z.discriminatedUnion("type", [
    of("auth", { token: data.token.unwrap() }),
    of("message", { message: data.message.unwrap() }),
    of("ping", {}),
  ]);
  return (value) => union.safeParse(value).success;
}

const accepts = engine === "zod" ? zod() : ajv(engine === "ajv");

function judge(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return accepts(value) ? value : null;
}

function check(messages) {
  return messages.map((text) => {
    const value = judge(text);
    if (value === null) return "0";
    const fields = [value.type, value.data.action, value.data.message, value.data.sessionId, value.data.token];
    return "1:" + fields.reduce((sum, f) => sum + (f === undefined ? 0 : Buffer.byteLength(f)), 0);
  }).join(" ");
}

let sink = 0;

function run(messages, loops) {
  const start = process.cpuUsage();
  for (let n = 0; n < loops; n++)
    for (const text of messages) {
      const value = judge(text);
      if (value !== null) sink += value.data.action.length;
    }
  const used = process.cpuUsage(start);
  return (used.user + used.system) * 1000;
}

const groups = readGroups();
const version = require((engine === "zod" ? "zod" : "ajv") + "/package.json").version;
console.log(`ready ${engine} ${version} (node ${process.versions.node})`);
createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, group, loops] = line.split(" ");
  const messages = groups.get(group);
  console.log(command === "check" ? check(messages) : String(run(messages, Number(loops))));
});
