// Random schemas and values through libwsrt and Ajv: the same verdict. Usage: differential_ajv.mjs DRIVER [SEED]
//
// A disagreement fails the test unless a known difference (docs/differences.md) explains it, which is
// proved each time: Ajv mended in that one respect must agree. A difference that no longer occurs
// fails the test too, so that the document does not outlive its reason.
import Ajv2020 from 'ajv/dist/2020.js';
import equality from 'ajv/dist/runtime/equal.js';
import { spawnSync } from 'node:child_process';

const SCHEMAS = 1500, VALUES = 8;
const [driver, seed = '1'] = process.argv.slice(2);

// ---- chance

let state = BigInt(seed) * 0x9e3779b97f4a7c15n;
const random = () => { // splitmix64
  state = (state + 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn;
  let z = state;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & 0xffffffffffffffffn;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & 0xffffffffffffffffn;
  return Number((z ^ (z >> 31n)) >> 11n) / 2 ** 53;
};
const chance = (p) => random() < p;
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const some = (list, most) => [...new Set(Array.from({ length: 1 + below(most) }, () => pick(list)))];
const list = (most, make) => Array.from({ length: 1 + below(most) }, make);
const table = (keys, make) => Object.fromEntries(keys.map((k) => [k, make()]));

// ---- schemas

const NAMES = ['a', 'a', 'b', 'b', 'c', 'c', 'ab', 'ab', '', 'é', '~/', 'toString', 'constructor'];
const WORDS = ['', 'a', 'b', 'ab', 'abc', 'ba', 'a1', ' ', 'x_y', 'é', 'e\u0301', '😀', '😀😀', '\n', 'A-Z', '"\\', '\u0000', '\u2028'];
const NUMBERS = [0, 1, -1, 2, 3, 5, 10, 0.5, 1.5, -2.5, 0.1, 0.3, 19.99, 0.07, 100, 1e20, 1e-7, 4503599627370497];
const STEPS = [1, 2, 3, 0.5, 0.01, 0.1, 0.3, 10, 1e-7, 1e20];
const TYPES = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];
const ATOMS = ['a', 'b', 'ab', '.', '[a-c]', '[^a]', '\\d', '\\w', '\\s', '\\S', '\\W', 'é', '\\u{1F600}', '\\p{L}', '\\P{Lu}', '[\\s\\S]', '[\\w\\-]', '\\x61', '\\n', '\\0'];
const REPEATS = ['', '', '', '*', '+', '?', '{2}', '{1,2}', '{0,1}?', '*?', '{2,}'];

const pattern = (depth = 2) => {
  const piece = () => {
    if (depth > 0 && chance(0.2)) return pick(['(', '(?:', '(?<n>']).concat(pattern(0), ')', pick(REPEATS));
    return chance(0.08) ? pick(['\\b', '\\B']) : pick(ATOMS) + pick(REPEATS);
  };
  const run = () => (chance(0.5) ? '^' : '') + list(3, piece).join('') + (chance(0.5) ? '$' : '');
  return chance(0.2) ? `${run()}|${run()}` : run();
};
const groupsOnce = (p) => p.replace(/\(\?<n>/g, '(');

let defs;
// A reference may lead to any definition once a member or an element has been entered, to later ones
// before: never in a circle that consumes nothing.
const ref = (from, entered) => {
  const first = entered ? 0 : from + 1;
  return first < defs ? { $ref: `#/$defs/d${first + below(defs - first)}` } : {};
};

const value = (depth) => {
  const kind = below(depth > 0 ? 8 : 6);
  if (kind === 7) return table(some(NAMES, 3), () => value(depth - 1));
  if (kind === 6) return Array.from({ length: below(4) }, () => value(depth - 1));
  return [null, chance(0.5), pick(NUMBERS), pick(WORDS), pick(NUMBERS), pick(WORDS)][kind];
};

const bounds = (low, high, make) => {
  const at = make();
  return chance(0.5) ? { [low]: at } : chance(0.5) ? { [high]: at } : { [low]: at, [high]: at + below(3) };
};

const groups = [ // keywords of one kind of value; (inner, same) make schemas of children, of the value itself
  () => ({ type: chance(0.7) ? pick(TYPES) : some(TYPES, 3) }),
  () => ({ enum: list(4, () => value(1)).filter((v, i, all) => all.findIndex((w) => JSON.stringify(w) === JSON.stringify(v)) === i) }),
  () => ({ const: value(2) }),
  () => bounds('minLength', 'maxLength', () => below(4)),
  () => ({ pattern: groupsOnce(pattern()) }),
  () => bounds(pick(['minimum', 'exclusiveMinimum']), pick(['maximum', 'exclusiveMaximum']), () => pick(NUMBERS)),
  () => ({ multipleOf: pick(STEPS) }),
  (inner) => ({ properties: table(some(NAMES, 4), inner) }),
  (inner) => ({ properties: table(some(NAMES, 4), inner), required: some(NAMES, 2) }),
  () => ({ required: some(NAMES, 2) }),
  (inner) => ({ properties: table(some(NAMES, 3), inner), additionalProperties: inner() }),
  (inner) => ({ patternProperties: table(list(2, () => groupsOnce(pattern(0))), inner), ...(chance(0.4) ? { additionalProperties: inner() } : {}) }),
  (inner) => ({ propertyNames: inner() }),
  () => bounds('minProperties', 'maxProperties', () => below(3)),
  () => ({ dependentRequired: table(some(NAMES, 2), () => some(NAMES, 2)) }),
  (inner, same) => ({ dependentSchemas: table(some(NAMES, 2), same) }),
  (inner) => ({ items: inner() }),
  (inner) => ({ prefixItems: list(3, inner), ...(chance(0.5) ? { items: inner() } : {}) }),
  (inner) => ({ contains: inner(), ...(chance(0.5) ? bounds('minContains', 'maxContains', () => below(3)) : {}) }),
  () => bounds('minItems', 'maxItems', () => below(3)),
  () => ({ uniqueItems: chance(0.9) }),
  (inner, same) => ({ allOf: list(2, same) }),
  (inner, same) => ({ anyOf: list(3, same) }),
  (inner, same) => ({ oneOf: list(3, same) }),
  (inner, same) => ({ not: same() }),
  (inner, same) => ({ if: same(), ...(chance(0.8) ? { then: same() } : {}), ...(chance(0.6) ? { else: same() } : {}) }),
];

const schemaOf = (depth, from, entered = false) => {
  if (depth === 0 || chance(0.06)) return pick([true, {}, true, false, { type: pick(TYPES) }, { const: value(0) }]);
  if (defs > 0 && chance(0.12)) return ref(from, entered);
  const inner = () => schemaOf(depth - 1, from, true);
  const same = () => schemaOf(depth - 1, from, entered);
  return Object.assign({}, ...list(3, () => pick(groups)(inner, same)));
};

const document = () => {
  defs = pick([0, 0, 1, 2, 3]);
  const root = schemaOf(3, -1);
  if (typeof root === 'boolean' || defs === 0) return root;
  return { ...root, $defs: Object.fromEntries(Array.from({ length: defs }, (_, i) => [`d${i}`, schemaOf(2, i)])) };
};

// ---- values: what the schema speaks of, or anything

const hints = (schema, root, depth) => {
  if (depth === 0 || typeof schema !== 'object' || chance(0.15)) return value(2);
  const all = [];
  const from = (s) => hints(s, root, depth - 1);
  const of = { array: [], object: {} };
  if (schema.$ref) all.push(() => from(root.$defs[schema.$ref.slice(8)]));
  if ('const' in schema) all.push(() => schema.const);
  if (schema.enum) all.push(() => pick(schema.enum));
  for (const word of ['allOf', 'anyOf', 'oneOf']) if (schema[word]) all.push(() => from(pick(schema[word])));
  for (const word of ['if', 'then', 'else', 'not']) if (word in schema) all.push(() => from(schema[word]));
  if (schema.minLength !== undefined || schema.maxLength !== undefined || schema.pattern !== undefined) all.push(() => pick(WORDS));
  if (['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'].some((k) => k in schema)) all.push(() => pick(NUMBERS) * pick([1, 1, schema.multipleOf ?? 1]));
  if (['properties', 'required', 'propertyNames', 'patternProperties', 'additionalProperties', 'minProperties', 'maxProperties', 'dependentRequired', 'dependentSchemas'].some((k) => k in schema))
    all.push(() => Object.fromEntries(
      [...new Set([...(schema.required ?? []).filter(() => chance(0.9)), ...Object.keys(schema.properties ?? {}).filter(() => chance(0.6)), ...(chance(0.4) ? some([...NAMES, ...WORDS], 2) : [])])]
        .map((k) => [k, from(Object.hasOwn(schema.properties ?? {}, k) ? schema.properties[k] : schema.additionalProperties ?? {})])));
  if (['items', 'prefixItems', 'contains', 'minItems', 'maxItems', 'uniqueItems'].some((k) => k in schema))
    all.push(() => Array.from({ length: below(4) }, (_, i) => from(schema.prefixItems?.[i] ?? (chance(0.5) ? schema.items : schema.contains) ?? {})));
  if (schema.type) all.push(() => {
    const type = [].concat(schema.type)[0];
    return { null: null, boolean: true, integer: pick([0, 1, 2, -1, 10]), number: pick(NUMBERS), string: pick(WORDS), array: [value(1)], object: table(some(NAMES, 2), () => value(1)) }[type];
  });
  return all.length > 0 ? pick(all)() : value(2);
};

// One value has many texts: spaces, escapes, notations of numbers.
const spelled = (s) => '"' + [...s].map((c) => {
  if (c === '/' && chance(0.3)) return '\\/';
  if (chance(0.05)) return [...Array(c.length).keys()].map((i) => '\\u' + c.charCodeAt(i).toString(16).padStart(4, '0')).join('');
  return JSON.stringify(c).slice(1, -1);
}).join('') + '"';
const number = (n) => {
  const text = String(n);
  if (/e/.test(text) || chance(0.8)) return text;
  if (Number.isInteger(n)) return pick([`${text}.0`, `${text}e0`, `${text}.00E+00`, ...(n === 0 ? [] : [`${text}0e-1`])]);
  return pick([`${text}0`, `${text}e0`, `${text}E+0`]);
};
const space = () => (chance(0.05) ? pick([' ', '\t', '  ']) : '');
const spell = (v) => {
  const inside = v === null || typeof v === 'boolean' ? String(v)
    : typeof v === 'number' ? number(v)
    : typeof v === 'string' ? spelled(v)
    : Array.isArray(v) ? `[${v.map(spell).join(',')}]`
    : `{${Object.entries(v).map(([k, x]) => `${space()}${spelled(k)}${space()}:${spell(x)}`).join(',')}}`;
  return space() + inside + space();
};
// Texts that JavaScript reads and cannot tell apart, or should not take.
const ODD = ['9007199254740993', '0.1000000000000000000001', '{"a":1,"a":1}', '{"b":2,"a":[],"b":2}', '"\\ud800"', '["\\udc00a"]',
  '4503599627370497.0000000000000000001', '[1,1.00000000000000000001]'];

// ---- judges

const plain = { strict: false, validateFormats: false, validateSchema: false, meta: false, logger: false };
// An exact multipleOf: BigInt over the shortest digits.
const decimal = (x) => {
  const [, sign, whole, part = '', exp = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(x));
  return [BigInt(sign + whole + part), Number(exp) - part.length];
};
const isMultiple = (step, x) => {
  const [a, ea] = decimal(x), [b, eb] = decimal(step), low = Math.min(ea, eb);
  return (a * 10n ** BigInt(ea - low)) % (b * 10n ** BigInt(eb - low)) === 0n;
};
// An equality that takes "toString" and "constructor" as names of members.
const canonical = (v) => JSON.stringify(v, (_, x) =>
  (x !== null && typeof x === 'object' && !Array.isArray(x) ? Object.entries(x).sort(([a], [b]) => (a < b ? -1 : 1)) : x));
const isEqual = (a, b) => Array.isArray(a) === Array.isArray(b) && canonical([a]) === canonical([b]);

const once = (make) => { const made = new Map(); return (key) => made.get(key) ?? made.set(key, make(key)).get(key); };
// `contains` that counts, and so begins anew for each array.
const counted = (schema) => JSON.parse(JSON.stringify(schema), (_, x) =>
  (x !== null && typeof x === 'object' && 'contains' in x && !('maxContains' in x) ? { ...x, maxContains: 1e9 } : x));

const judgeOf = ({ own = false, all = false, exact = false, equal = false, count = false }) => once((schema) => {
  const ajv = new Ajv2020({ ...plain, ownProperties: own, allErrors: all }), before = equality.default;
  ajv.opts.unevaluated = false; // allErrors and the notes for unevaluatedProperties do not go together
  if (exact) {
    ajv.removeKeyword('multipleOf');
    ajv.addKeyword({ keyword: 'multipleOf', type: 'number', schemaType: 'number', errors: false, validate: isMultiple });
  }
  if (equal) equality.default = isEqual;
  try { return ajv.compile(count ? counted(schema) : schema); } finally { equality.default = before; }
});
const mends = { prototype: judgeOf({ own: true }), 'empty name': judgeOf({ all: true }), multipleOf: judgeOf({ exact: true }), equality: judgeOf({ equal: true }), contains: judgeOf({ count: true }) };
const mended = judgeOf({ own: true, all: true, exact: true, equal: true, count: true });
const verdictOf = (judge, data) => { try { return judge(data); } catch { return 'throws'; } };

const ask = (lines) => {
  const out = spawnSync(driver, { input: lines.map((l) => l + '\n').join(''), encoding: 'utf8', maxBuffer: 1 << 28 });
  if (out.status !== 0) throw new Error(`${driver}: ${out.status ?? out.signal} ${out.stderr}`);
  return out.stdout.split('\n').slice(0, -1);
};

// ---- the comparison

const ajv = new Ajv2020(plain);
const pairs = [], lines = [];
for (let i = 0; i < SCHEMAS; i++) {
  const schema = document(), at = lines.push('S' + JSON.stringify(schema)) - 1;
  const judge = ajv.compile(schema);
  for (let j = 0; j < VALUES; j++) {
    const text = chance(0.01) ? pick(ODD) : spell(hints(schema, schema, 5));
    pairs.push({ schema, text, at, line: lines.push('I' + text) - 1, ajv: verdictOf(judge, JSON.parse(text)) });
  }
  ajv.removeSchema();
}
const answers = ask(lines);

// An escape of a surrogate that is not one of a pair.
function hasLoneSurrogate(text) {
  return /\\u[dD][89a-fA-F][0-9a-fA-F]{2}/.test(text.replace(/\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}/g, ''));
}

const kinds = { prototype: 0, 'empty name': 0, multipleOf: 0, equality: 0, contains: 0, 'duplicate name': 0, 'lone surrogate': 0, doubles: 0 };
// Several of the peer's differences in one pair are counted apart, and need not occur.
let compared = 0, accepted = 0, refused = 0, several = 0;
const bad = [];

const explain = ({ schema, text, ours }) => {
  const data = JSON.parse(text);
  for (const [kind, judge] of Object.entries(mends)) if (verdictOf(judge(schema), data) === (ours === 'OK')) return kind;
  const verdict = mended(schema)(data);
  if (verdict === (ours === 'OK')) return 'several at once';
  if (ours === 'MALFORMED' && hasLoneSurrogate(text)) return 'lone surrogate';
  const [, again] = ask(['S' + JSON.stringify(schema), 'I' + JSON.stringify(data)]);
  if ((again === 'WSRT_OK') !== verdict) return null;
  return /^\{.*"(.)":.*"\1":/.test(text) ? 'duplicate name' : 'doubles';
};

for (const pair of pairs) {
  if (answers[pair.at] !== 'ok') {
    refused += answers[pair.at] === 'schema_limit';
    if (answers[pair.at] !== 'schema_limit') bad.push({ refused: answers[pair.at], schema: pair.schema });
    continue;
  }
  pair.ours = answers[pair.line].replace(/^WSRT_(ERR_)?/, '');
  compared++;
  const agree = pair.ajv !== 'throws' && pair.ours === (pair.ajv ? 'OK' : 'REJECTED');
  accepted += agree && pair.ajv;
  if (agree) continue;
  const kind = pair.ours === 'LIMIT' ? null : explain(pair);
  if (kind === null) bad.push(pair);
  else if (kind in kinds) kinds[kind]++;
  else several++;
}

for (const b of bad.slice(0, 20)) console.log('DISAGREE', JSON.stringify({ ...b, at: undefined, line: undefined }));
for (const [kind, count] of Object.entries(kinds)) {
  console.log(`known difference: ${kind}: ${count}`);
  if (count === 0) console.log(`the difference "${kind}" did not occur: is docs/differences.md still right?`);
}
console.log(`known differences, several at once: ${several}`);
console.log(`${compared} inputs compared, ${accepted} accepted by both, ${refused} beyond the limits of a schema`);
const whole = answers.length === lines.length && compared >= 10000 && accepted > compared / 5 && accepted < compared * 4 / 5;
process.exit(bad.length === 0 && whole && Object.values(kinds).every((n) => n > 0) ? 0 : 1);
