// What HashiCorp's own parser (@cdktf/hcl2json, WebAssembly) says of `wsrt export terraform`: each text is
// a template of the language, and what the templates name is there.
import { execFileSync } from 'node:child_process';
import hcl from '@cdktf/hcl2json';

const PARTS = ['monitoring', 'functions', 'all'];
const configuration = (part) =>
  JSON.parse(execFileSync(process.env.WSRT, ['export', 'terraform', '--part', part]));

function texts(value) {
  if (typeof value === 'string') return [value];
  return value === null || typeof value !== 'object' ? [] : Object.values(value).flatMap(texts);
}

// The text as the language has it between quotes: what is not inside ${} is escaped.
function quoted(text) {
  let depth = 0;
  return `"${text.replace(/\$\{|[{}"\\\n]/g, (found) => {
    if (found === '${' || (depth > 0 && found === '{')) depth++;
    else if (depth > 0 && found === '}') depth--;
    else if (depth === 0 && found === '\n') return '\\n';
    else if (depth === 0 && (found === '"' || found === '\\')) return `\\${found}`;
    return found;
  })}"`;
}

const references = (text) => hcl.getReferencesInExpression('main.tf', quoted(text));

// "var.x", "data.kind.name" and "kind.name" that a configuration has.
function named(root) {
  const pairs = (section, before) => Object.entries(root[section] ?? {})
    .flatMap(([kind, all]) => Object.keys(all).map((name) => `${before}${kind}.${name}`));
  return new Set([...Object.keys(root.variable ?? {}).map((name) => `var.${name}`),
    ...pairs('data', 'data.'), ...pairs('resource', '')]);
}

// Each dynamic block has a name of its own for what it goes through.
function iterators(value) {
  if (value === null || typeof value !== 'object') return [];
  return [...Object.keys(value.dynamic ?? {}), ...Object.values(value).flatMap(iterators)];
}

function target(reference) {
  const words = reference.split(/[.[]/);
  return words.slice(0, words[0] === 'var' ? 2 : words[0] === 'data' ? 3 : 2).join('.');
}

async function unknown(root) {
  const there = named(root), known = new Set(iterators(root)), lost = [];
  for (const text of texts(root).filter((t) => t.includes('${')))
    for (const { value } of await references(text))
      if (!known.has(value.split('.')[0]) && !there.has(target(value))) lost.push(value);
  return lost;
}

function equal(got, wanted) {
  const [a, b] = [got, wanted].map((v) => JSON.stringify(v));
  if (a !== b) throw new Error(`wanted ${b}, got ${a}`);
}

const cases = {
  async 'each text is a template that its parser takes'() {
    for (const part of PARTS) {
      const all = texts(configuration(part));
      if (all.length < 100) throw new Error(`${part}: ${all.length} texts only`);
      for (const text of all)
        await references(text).catch((why) => { throw new Error(`${part}: ${text}: ${why}`); });
    }
  },

  async 'each reference is to something of the configuration'() {
    for (const part of PARTS) equal(await unknown(configuration(part)), []);
    const used = new Set();
    for (const text of texts(configuration('all')).filter((t) => t.includes('${')))
      for (const { value } of await references(text)) used.add(target(value));
    const variables = Object.keys(configuration('all').variable).filter((v) => !used.has(`var.${v}`));
    equal(variables, []);
  },

  async 'a text that is no template and a reference to nothing are found'() {
    const root = configuration('functions');
    root.output.connections_table_name.value = '${aws_dynamodb_table.nobody.name}';
    equal(await unknown(root), ['aws_dynamodb_table.nobody.name']);
    for (const text of ['${var.region == }', '${one(var.region}', '%{if true']) {
      const refused = await references(text).then(() => false, () => true);
      equal([text, refused], [text, true]);
    }
  },
};

console.log(`1..${Object.keys(cases).length}`);
let number = 0;
for (const [name, run] of Object.entries(cases)) {
  number++;
  const why = await run().then(() => null, (error) => error.message);
  console.log(`${why === null ? 'ok' : 'not ok'} ${number} - ${name}`);
  if (why !== null) console.log(`# ${why}`);
}
process.exit(0);
