// The declarations as koffi takes them: exercise.mjs PEERS DECLARATIONS.json LIBRARY...
// Declares every type and function, prints the size of every struct, then calls the library, once with a
// callback.
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";

const [peers, description, ...libraries] = process.argv.slice(2);
const koffi = createRequire(peers + "/")("koffi");
const {types, functions} = JSON.parse(readFileSync(description, "utf8"));
const made = new Map();
let unnamed = 0;

function proto(name, {result, parameters}) {
    return koffi.proto(name, type(result), parameters.map(type));
}

function type(spec) {
    if (typeof spec === "string")
        return made.get(spec) ?? spec;
    if (spec.to !== undefined)
        return koffi.pointer(type(spec.to));
    if (spec.of !== undefined)
        return koffi.array(type(spec.of), spec.length);
    return koffi.pointer(proto(`unnamed_${++unnamed}`, spec));
}

for (const {name, members, opaque, callback} of types) {
    if (opaque)
        made.set(name, koffi.opaque(name));
    else if (callback)
        made.set(name, koffi.pointer(proto(name, callback)));
    else if (members)
        made.set(name, koffi.struct(name, Object.fromEntries(members.map(([m, t]) => [m, type(t)]))));
    else
        made.set(name, "int32_t");
    if (members)
        console.log("size", name, koffi.sizeof(made.get(name)));
}

const opened = libraries.map((path) => koffi.load(path));
const lib = {};
for (const {name, result, parameters} of functions) {
    const home = opened.find((l) => {
        try {
            lib[name] = l.func(name, type(result), parameters.map(type));
            return true;
        } catch {
            return false;
        }
    });
    if (home === undefined)
        throw new Error(`${name} is declared and in no library`);
}
console.log("functions", Object.keys(lib).length);

function must(status) {
    if (status !== 0)
        throw new Error(`status ${status}`);
}

function out(call) {
    const room = Buffer.alloc(8);
    must(call(room));
    return koffi.decode(room, "void *");
}

const span = (text) => ({ptr: text, len: text.length});
console.log("version", lib.wsrt_version_string());
const value = Buffer.alloc(8);
must(lib.wsrt_constant("WSRT_ERR_GONE", value));
console.log("constant", Number(value.readBigInt64LE()));

const registry = out((room) => lib.wsrt_breakers_new(room, null));
const breaker = out((room) =>
    lib.wsrt_breakers_get(registry, span("dynamodb"), span("put"), null, room, null));
const visit = koffi.proto("int visit(void *b, void *user)");
const seen = koffi.register((b) => {
    const service = lib.wsrt_breaker_service(b);
    console.log("callback", service.ptr.slice(0, Number(service.len)));
    return 0;
}, koffi.pointer(visit));
must(lib.wsrt_breakers_foreach(registry, seen, null));
koffi.unregister(seen);
lib.wsrt_breaker_release_ref(breaker);
lib.wsrt_breakers_free(registry);
