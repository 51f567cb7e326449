// Every text exists in both languages: keys used by the sources, and codes of refusals.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const web = fileURLToPath(new URL("..", import.meta.url));
const LANGUAGES = ["en", "zh"];

function messages(language) {
  const folder = join(web, "src/i18n", language);
  return Object.fromEntries(
    readdirSync(folder).map((file) => [
      file.replace(/\.json$/, ""),
      JSON.parse(readFileSync(join(folder, file), "utf8")),
    ]),
  );
}

function flatten(value, prefix = "") {
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "string" ? [[prefix + key, inner]] : flatten(inner, `${prefix}${key}.`),
  );
}

const ALL = Object.fromEntries(
  LANGUAGES.map((language) => [
    language,
    new Map(
      Object.entries(messages(language)).flatMap(([namespace, tree]) =>
        flatten(tree).map(([key, text]) => [`${namespace}:${key}`, text]),
      ),
    ),
  ]),
);
const withoutPlural = (key) => key.replace(/_(one|other)$/, "");
const has = (language, key) => ALL[language].has(key) || ALL[language].has(`${key}_other`);
const hasBelow = (language, key) => [...ALL[language].keys()].some((other) => other.startsWith(`${key}.`));

test("both languages have the same texts, with the same parameters", () => {
  const keys = LANGUAGES.map((language) => [...new Set([...ALL[language].keys()].map(withoutPlural))].sort());
  assert.deepEqual(keys[0], keys[1]);
  const gaps = (text) => [...new Set(text.match(/{{\w+}}/g) ?? [])].sort();
  for (const [key, text] of ALL.zh) assert.deepEqual(gaps(text), gaps(ALL.en.get(key) ?? ""), key);
});

test("no text is empty, and none is the other language's", () => {
  for (const language of LANGUAGES)
    for (const [key, text] of ALL[language]) assert.notEqual(text.trim(), "", `${language} ${key}`);
  for (const [key, text] of ALL.en) assert.doesNotMatch(text, /[\u4e00-\u9fff]/, key);
});

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

test("every key that the sources use exists in both languages", () => {
  let found = 0;
  for (const file of sources(join(web, "src"))) {
    const source = readFileSync(file, "utf8");
    const namespaces = [...source.matchAll(/useTranslation\((?:\[?"(\w+)")?/g)].map(
      ([, name]) => name ?? "common",
    );
    const spaces = new Set([...namespaces, "common"]);
    for (const [, argument] of source.matchAll(/(?<![\w.])(?:i18n\.)?t\(\s*((?:[^()]|\([^()]*\))*)/g)) {
      // Strings of the first argument, also of a conditional one.
      for (const [, key] of argument.split(/,\s*{/)[0].matchAll(/(?<!=== )"([\w.:]+)"/g)) {
        const candidates = key.includes(":") ? [key] : [...spaces].map((name) => `${name}:${key}`);
        for (const language of LANGUAGES)
          assert.ok(
            candidates.some((name) => has(language, name)),
            `${language}: ${key} of ${file}`,
          );
        found++;
      }
      for (const [, prefix] of argument.matchAll(/`([\w.:]+)\.\$\{/g)) {
        const candidates = prefix.includes(":") ? [prefix] : [...spaces].map((name) => `${name}:${prefix}`);
        for (const language of LANGUAGES)
          assert.ok(
            candidates.some((name) => hasBelow(language, name)),
            `${language}: ${prefix} of ${file}`,
          );
        found++;
      }
    }
  }
  assert.ok(found > 100, `only ${found} keys found`);
});

test("every code of a refusal has a text in both languages", () => {
  const source = readFileSync(join(web, "../src/problem.rs"), "utf8");
  const codes = [...source.matchAll(/\("([a-z_]+)", StatusCode::/g)].map(([, code]) => code);
  assert.ok(codes.length > 40, "the table CODES of problem.rs was not understood");
  const page = [
    ...sources(join(web, "src")).flatMap((file) => [
      ...readFileSync(file, "utf8").matchAll(/code: "([a-z_]+)"/g),
    ]),
  ];
  for (const code of [...codes, ...page.map(([, code]) => code)]) {
    for (const language of LANGUAGES) assert.ok(has(language, `problems:${code}`), `${language}: ${code}`);
  }
});
