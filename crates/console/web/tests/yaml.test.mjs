// Changes of a form in a text of YAML: what is changed means what it should, and everything else stays as it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { sources } from "./sources.mjs";

const TEXT = `# head
block_urls: [swagger.html, "a b"]   # urls
block_headers:   # headers
# about sqlmap
- sqlmap   # c1
# about nikto
- nikto

unknown: {x: 1,  y: 2}
blocked_code:   403 # code
blocked_message: 'No'
nested:
    a: 1   # one
    # two
    b:
      - k: 1
        l: 2
      - k: 3
text: |
  multi
  line
# end
`;

const CASES = [
  ["a number", (v) => (v.blocked_code = 404), [["blocked_code:   403 # code", "blocked_code:   404 # code"]]],
  [
    "a text keeps its quotes",
    (v) => (v.blocked_message = "it's"),
    [["blocked_message: 'No'", "blocked_message: 'it''s'"]],
  ],
  ["an entry of a list in brackets", (v) => v.block_urls.push("new"), [['"a b"]', '"a b", new]']]],
  ["the last entry of a list", (v) => v.block_headers.push("zap"), [["- nikto\n", "- nikto\n- zap\n"]]],
  [
    "an entry goes with its comments on its own line",
    (v) => v.block_headers.shift(),
    [["# about sqlmap\n- sqlmap   # c1\n", ""]],
  ],
  [
    "entries move with the comments above them",
    (v) => v.block_headers.reverse(),
    [
      [
        "# about sqlmap\n- sqlmap   # c1\n# about nikto\n- nikto\n",
        "# about nikto\n- nikto\n# about sqlmap\n- sqlmap   # c1\n",
      ],
    ],
  ],
  ["a nested number", (v) => (v.nested.b[0].k = 9), [["- k: 1\n", "- k: 9\n"]]],
  ["a nested field is removed", (v) => delete v.nested.a, [["    a: 1   # one\n", ""]]],
  [
    "the first field behind a dash is removed",
    (v) => delete v.nested.b[0].k,
    [["- k: 1\n        l: 2", "- l: 2"]],
  ],
  [
    "a list is emptied",
    (v) => (v.block_headers = []),
    [
      [
        "block_headers:   # headers\n# about sqlmap\n- sqlmap   # c1\n# about nikto\n- nikto\n",
        "block_headers: [] # headers\n",
      ],
    ],
  ],
  ["a new field is put at the end", (v) => (v.dry_run = true), [["  line\n", "  line\ndry_run: true\n"]]],
  [
    "a word that YAML 1.1 reads otherwise is quoted",
    (v) => (v.mode = "on"),
    [["  line\n", '  line\nmode: "on"\n']],
  ],
  [
    "a text of lines",
    (v) => (v.text = "one\ntwo\n"),
    [["text: |\n  multi\n  line\n", "text: |\n  one\n  two\n"]],
  ],
];

test("a change in the form edits only its node", async (t) => {
  const [{ editYaml, parseFields }] = await sources(t, "pages/plugin/yamlEdit.ts");
  for (const [name, change, replacements] of CASES) {
    const value = parseFields(TEXT).value;
    change(value);
    const expected = replacements.reduce((text, [from, to]) => {
      assert.ok(text.includes(from), `${name}: ${from}`);
      return text.replace(from, () => to);
    }, TEXT);
    assert.equal(editYaml(TEXT, value), expected, name);
  }
});

test("texts without fields, and what the form adds on its own", async (t) => {
  const [{ editYaml, parseFields }] = await sources(t, "pages/plugin/yamlEdit.ts");
  assert.equal(editYaml("", { a: 1 }), "a: 1\n");
  assert.equal(editYaml("# only\n", { a: 1 }), "# only\na: 1\n");
  assert.equal(editYaml("{}\n", { a: [1] }), "a:\n  - 1\n");
  assert.equal(editYaml("a: 1", { b: 2 }), "b: 2\n");
  // Empty objects, lists and undefined values that were not there before.
  assert.equal(editYaml("a: 1 # x\n", { a: 1, b: {}, c: [], d: undefined, e: { f: {} } }), "a: 1 # x\n");
  assert.equal(editYaml("a: {}\n", { a: {} }), "a: {}\n");
  // Anchors: no line is taken over literally, but the value is right.
  const anchored = editYaml("a: &x [1]\nb: *x\n", { a: [1], b: [2] });
  assert.deepEqual(parseFields(anchored).value, { a: [1], b: [2] });
  assert.equal(parseFields("a: [").errors.length > 0, true);
  assert.equal(parseFields("- 1").errors.length, 1);
});

/** A generator of numbers that is the same in every run. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function scalar(next) {
  const texts = [
    "a",
    "",
    "on",
    "1_000",
    "x: y",
    "# no",
    "it's",
    '"q"',
    "two\nlines",
    " lead",
    "null",
    "é",
    "- a",
    "{b",
  ];
  return [next(1000), next(2) === 0, null, 1.5, texts[next(texts.length)]][next(5)];
}

function tree(next, depth) {
  const kind = depth === 0 ? 0 : next(4);
  if (kind === 1) return Array.from({ length: next(4) }, () => tree(next, depth - 1));
  if (kind === 2) return object(next, depth - 1);
  return scalar(next);
}

function object(next, depth) {
  return Object.fromEntries(Array.from({ length: next(4) }, () => [`k${next(6)}`, tree(next, depth)]));
}

/** Changes one place at random. */
function mutate(next, value) {
  if (Array.isArray(value) && value.length > 0 && next(3) > 0) {
    const at = next(value.length);
    const what = next(4);
    if (what === 0) value.splice(at, 1);
    else if (what === 1) value.splice(at, 0, tree(next, 1));
    else if (what === 2) value.push(value.shift());
    else value[at] = mutate(next, value[at]);
    return value;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value) && next(4) > 0) {
    const keys = Object.keys(value);
    const key = keys[next(keys.length)];
    const what = next(8);
    if (key === undefined || what < 2) value[`k${next(8)}`] = tree(next, 2);
    else if (what < 4) delete value[key];
    else value[key] = mutate(next, value[key]);
    return value;
  }
  return tree(next, 2);
}

const isEmpty = (value) => typeof value === "object" && value !== null && Object.keys(value).length === 0;

/** Without the empty objects and lists that a form adds: those of keys that were not there. */
function kept(value, before) {
  if (Array.isArray(value))
    return value.map((item, i) => kept(item, Array.isArray(before) ? before[i] : undefined));
  if (typeof value !== "object" || value === null) return value;
  const known = typeof before === "object" && before !== null && !Array.isArray(before) ? before : {};
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, kept(item, known[key])])
      .filter(([key, item]) => !isEmpty(item) || known[key] !== undefined),
  );
}

test("3,000 random changes mean what they should and keep the comments elsewhere", async (t) => {
  const [{ editYaml, parseFields, equal }] = await sources(t, "pages/plugin/yamlEdit.ts");
  const { Document, visit } = await import("yaml");
  for (let seed = 1; seed <= 3000; seed++) {
    const next = random(seed);
    const doc = new Document({ first: 0, ...object(next, 3) });
    let number = 0;
    visit(doc, {
      Map: (key, node) => void (key !== null && next(4) === 0 && node.items.length > 0 && (node.flow = true)),
      Seq: (_, node) => void (next(3) === 0 && (node.flow = true)),
    });
    visit(doc, {
      Scalar: (key, node, path) => {
        const inFlow = path.some((parent) => parent.flow);
        if (key === "value" && !inFlow && typeof node.value !== "string" && next(2) === 0)
          node.comment = ` c${number++}`;
      },
    });
    doc.commentBefore = " head";
    const text = doc.toString({ lineWidth: 0, indentSeq: next(2) === 0 });
    const value = parseFields(text).value;
    assert.ok(value, text);
    const changed = structuredClone(value);
    const keys = Object.keys(changed).filter((key) => key !== "first");
    if (keys.length > 0) {
      const key = keys[next(keys.length)];
      changed[key] = mutate(next, changed[key]);
    } else changed.k0 = tree(next, 2);
    const result = editYaml(text, changed);
    const read = parseFields(result).value;
    assert.ok(read, `${seed}:\n${text}---\n${result}`);
    assert.ok(equal(read, kept(changed, value)), `${seed}:\n${text}---\n${result}`);
    assert.match(result, /^# head$/m);
    for (const [key, same] of Object.entries(value)) {
      if (!equal(same, changed[key])) continue;
      assert.ok(equal(read[key], same), `${seed} ${key}:\n${text}---\n${result}`);
      const line = text.split("\n").find((each) => each.startsWith(`${key}:`));
      assert.ok(result.split("\n").includes(line), `${seed} ${key}: ${line}\n${text}---\n${result}`);
    }
  }
});

const scope = (key, domain, text, enabled = true) => ({
  key,
  kind: domain ? "domain" : "gateway",
  match: { domain: domain ? [domain] : [], route: [], service: [] },
  enabled,
  text,
});

test("two people's changes are combined by what the rules are, not by their place", async (t) => {
  const [{ merged }] = await sources(t, "pages/plugin/scopes.ts");
  const base = [scope("gateway", "", "a: 1"), scope("rule-0", "one", "a: 1"), scope("rule-1", "two", "a: 2")];
  const brief = ({ scopes }) =>
    scopes.map(({ key, match, text }) => [key, match.domain[0] ?? "", text].join(" "));

  // They remove the first rule, so that the second has its key; I change the second and add one.
  const theirs = [scope("gateway", "", "a: 1"), scope("rule-0", "two", "a: 2")];
  const mine = [...base.slice(0, 2), scope("rule-1", "two", "a: 3"), scope("new-1", "three", "")];
  const both = merged(base, mine, theirs);
  assert.deepEqual(both.conflicts, []);
  assert.deepEqual(brief(both), ["gateway  a: 1", "rule-0 two a: 3", "new-1 three "]);

  // Both change the gateway.
  const conflict = [
    base,
    [scope("gateway", "", "a: mine"), ...base.slice(1)],
    [scope("gateway", "", "a: theirs"), ...base.slice(1)],
  ];
  assert.equal(merged(...conflict).conflicts.length, 1);
  assert.equal(merged(...conflict).scopes[0].text, "a: mine");
  assert.equal(merged(...conflict, { gateway: "theirs" }).scopes[0].text, "a: theirs");

  // They delete what I change: mine is new to the file.
  const kept = merged(base, [...base.slice(0, 2), scope("rule-1", "two", "a: 9")], base.slice(0, 2));
  assert.equal(kept.conflicts.length, 1);
  assert.deepEqual(brief(kept), ["gateway  a: 1", "rule-0 one a: 1", "new-1 two a: 9"]);
  const dropped = merged(base, [...base.slice(0, 2), scope("rule-1", "two", "a: 9")], base.slice(0, 2), {
    "rule-1": "theirs",
  });
  assert.deepEqual(brief(dropped), ["gateway  a: 1", "rule-0 one a: 1"]);

  // I reorder, they add: my order, with theirs behind its neighbour.
  const moved = merged(base, [base[0], base[2], base[1]], [...base, scope("rule-2", "new", "b: 1")]);
  assert.deepEqual(
    moved.scopes.map(({ match }) => match.domain[0] ?? ""),
    ["", "two", "new", "one"],
  );
});

test("mistakes that the browser finds are at their field, and secrets are recognised", async (t) => {
  const [{ findings }, { secretPaths, shownAt, toPath, toText, forForm }] = await sources(
    t,
    "pages/plugin/validator.ts",
    "pages/plugin/schema.ts",
  );
  const schema = {
    type: "object",
    required: ["name"],
    properties: {
      name: { type: "string", nullable: true, minLength: 1 },
      code: { type: "integer", minimum: 200, default: 403 },
      words: { type: "array", items: { type: "string" } },
      inner: {
        type: "object",
        properties: { token: { type: "string", format: "password" }, "a/b": { type: "string" } },
      },
      more: { type: "object", additionalProperties: { type: "string", writeOnly: true } },
    },
  };
  const found = findings(schema, { code: 1, words: ["a", 2] }).map(({ path, keyword, expected }) => [
    toText(path),
    keyword,
    expected,
  ]);
  assert.deepEqual(found.sort(), [
    ["code", "minimum", "200"],
    ["name", "required", "name"],
    ["words[1]", "type", "string"],
  ]);
  assert.deepEqual(findings(schema, { name: null, code: 200 }), []);
  // A list of lines is one field, and what the form does not have is shown where it would be.
  assert.deepEqual(shownAt(schema, toPath("words[1]")), ["words"]);
  assert.deepEqual(shownAt(schema, toPath("inner.foo.bar")), ["inner"]);
  assert.deepEqual(shownAt(schema, toPath("foo")), []);
  const value = { inner: { token: "t", "a/b": "s" }, more: { x: "y" } };
  assert.deepEqual(secretPaths(schema, ["/properties/inner/properties/a~1b"], value).map(toText), [
    "inner.token",
    "inner.a/b",
    "more.x",
  ]);
  // A default is never written into a configuration.
  assert.equal("default" in forForm(schema).properties.code, false);
});
