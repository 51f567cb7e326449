// Fails if the scripts and styles of the first screen exceed the limit. The first screen is the entry with everything it
// imports, the messages of one language, and the page that is opened first.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 500_000;
const ROOTS = ["index.html", "src/pages/gateways/index.tsx", "src/i18n/messages.zh.ts"];

const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));
const files = new Set();

function add(key) {
  const chunk = manifest[key];
  if (!chunk) throw new Error(`no chunk ${key} in the manifest`);
  if (files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const style of chunk.css ?? []) files.add(style);
  for (const imported of chunk.imports ?? []) add(imported);
}
ROOTS.forEach(add);

let total = 0;
for (const file of files) {
  const bytes = gzipSync(readFileSync(new URL(file, dist))).length;
  total += bytes;
  console.log(`${String(bytes).padStart(8)}  ${file}`);
}
console.log(`${String(total).padStart(8)}  first load, limit ${LIMIT} bytes (gzip)`);
if (total > LIMIT) process.exit(1);
