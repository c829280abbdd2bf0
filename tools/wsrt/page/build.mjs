// Bundles the live page into one HTML file: node build.mjs OUTPUT
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const [output] = process.argv.slice(2);

async function bundle(entry) {
  const { outputFiles: [file] } = await build({
    entryPoints: [here(entry)], bundle: true, minify: true, write: false, format: "iife", target: "es2022",
    charset: "utf8", legalComments: "none", logLevel: "warning",
  });
  return file.text.trim();
}

const [page, script, style] = await Promise.all([readFile(here("page.html"), "utf8"), bundle("src/main.js"), bundle("page.css")]);
const fill = { style, script: script.replaceAll("</script", "<\\/script") };
const whole = page.replace(/<(style|script)><\/\1>/g, (_, tag) => `<${tag}>${fill[tag]}</${tag}>`);
await writeFile(output, whole);
