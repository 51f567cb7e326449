// Writes licenses.json: every production dependency in the lock file with its licence and the text of it. Fails on a licence
// that is not on the list below.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PERMITTED = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MIT-0",
  "Python-2.0",
  "Unlicense",
  "Zlib",
]);
const TEXT = /^(licen[cs]e|copying|notice)([.-].*)?$/i;

const root = fileURLToPath(new URL("..", import.meta.url));

/** `A OR B` needs one permitted licence, `A AND B` both. */
function permitted(expression) {
  return expression
    .replace(/[()]/g, " ")
    .split(/\s+OR\s+/)
    .some((part) => part.split(/\s+AND\s+/).every((id) => PERMITTED.has(id.trim())));
}

function texts(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && TEXT.test(entry.name))
    .map((entry) => entry.name)
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8").trim());
}

const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
const packages = [];
const refused = [];
for (const [path, { dev, devOptional, optional }] of Object.entries(lock.packages)) {
  if (path === "" || dev || devOptional) continue;
  const folder = join(root, path);
  let manifest;
  try {
    manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  } catch (error) {
    // Optional packages are for other platforms.
    if (optional) continue;
    throw new Error(`${path} is not installed; run npm ci`, { cause: error });
  }
  const { name, version, license } = manifest;
  if (typeof license !== "string" || !permitted(license))
    refused.push(`${name} ${version}: ${JSON.stringify(license)}`);
  packages.push({ name, version, license: license ?? "", texts: texts(folder) });
}
packages.sort((a, b) => a.name.localeCompare(b.name, "en") || a.version.localeCompare(b.version, "en"));

writeFileSync(join(root, "licenses.json"), JSON.stringify(packages, null, 2) + "\n");
console.log(`${packages.length} packages in licenses.json`);
if (refused.length > 0) {
  console.error(`Not permitted:\n${refused.join("\n")}`);
  process.exit(1);
}
