/**
 * Changes of a form written into a text of YAML. Only the text of the changed node is replaced: comments, order, quotes
 * and spacing everywhere else stay as they are. Each result is parsed again; if it does not mean what it should, the
 * document is edited as a tree instead, which keeps comments but may normalise spacing.
 */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  stringify,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";

type Fields = Record<string, unknown>;

export interface YamlError {
  message: string;
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
}

const PARSE = { prettyErrors: true, logLevel: "silent", stringKeys: true } as const;
// `compat` quotes what YAML 1.1 reads otherwise, such as `on` and `1_000`, because `kubectl` still does.
const BLOCK = { lineWidth: 0, compat: "yaml-1.1", indentSeq: true } as const;
const FLOW = { ...BLOCK, collectionStyle: "flow", flowCollectionPadding: false } as const;

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The text of fields. */
export const toYaml = (value: Fields): string => stringify(value, BLOCK);

/** Deep equality; a key with `undefined` is absent, and the order of keys does not matter. */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => equal(item, b[i]));
  }
  if (isObject(a) && isObject(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...keys].every((key) => equal(a[key], b[key]));
  }
  return false;
}

/** The fields in a text, or its syntax errors. An empty text has no fields. */
export function parseFields(
  text: string,
): { value: Fields; errors?: undefined } | { value?: undefined; errors: YamlError[] } {
  const doc = parseDocument(text, PARSE);
  if (doc.errors.length > 0) {
    return {
      errors: doc.errors.map(({ message, linePos }) => {
        const [start, end] = linePos ?? [{ line: 1, col: 1 }];
        return {
          // The library appends the place and an excerpt, which the editor shows anyway.
          message: message.replace(/ at line \d+, column \d+:[\s\S]*$/, ""),
          line: start.line,
          column: start.col,
          endLine: end?.line ?? start.line,
          endColumn: end?.col ?? start.col + 1,
        };
      }),
    };
  }
  const value: unknown = toJs(doc);
  if (value === null || value === undefined) return { value: {} };
  if (isObject(value)) return { value };
  return {
    errors: [
      {
        message: "The fields must be a mapping of names to values.",
        line: 1,
        column: 1,
        endLine: 1,
        endColumn: 2,
      },
    ],
  };
}

/** Where a value is in a text, or the nearest one around it. Positions are from 1. */
export function place(text: string, path: (string | number)[]): Omit<YamlError, "message"> {
  const lines = new LineCounter();
  const doc = parseDocument(text, { ...PARSE, lineCounter: lines });
  for (let length = path.length; length > 0; length--) {
    const node = doc.getIn(path.slice(0, length), true);
    if (!isNode(node) || !node.range) continue;
    const start = lines.linePos(node.range[0]);
    const end = lines.linePos(node.range[1]);
    return { line: start.line, column: start.col, endLine: end.line, endColumn: end.col };
  }
  return { line: 1, column: 1, endLine: 1, endColumn: 2 };
}

function toJs(doc: Document): unknown {
  // Limits what aliases of aliases can expand to.
  return doc.toJS({ maxAliasCount: 100 });
}

/** Without what a form adds on its own: `undefined`, and empty objects and lists that were not there before. */
function withoutEmpty(value: unknown, before: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map((item, i) => withoutEmpty(item, Array.isArray(before) ? before[i] : undefined));
  }
  if (!isObject(value)) return value;
  const out: Fields = {};
  for (const [key, item] of Object.entries(value)) {
    const old = isObject(before) ? before[key] : undefined;
    const kept = withoutEmpty(item, old);
    const empty =
      kept === undefined || (typeof kept === "object" && kept !== null && Object.keys(kept).length === 0);
    if (!empty || (kept !== undefined && old !== undefined)) out[key] = kept;
  }
  return out;
}

function means(text: string, value: Fields): boolean {
  const { value: read } = parseFields(text);
  return read !== undefined && equal(read, value);
}

/** The text with these fields. The text must be free of syntax errors. */
export function editYaml(text: string, next: unknown): string {
  const before = parseFields(text).value;
  if (!before) return text;
  const value = withoutEmpty(next, before) as Fields;
  if (equal(before, value)) return text;
  for (const attempt of [spliced, editedTree]) {
    const result = attempt(text, value);
    if (result !== undefined && means(result, value)) return result;
  }
  return stringify(value, BLOCK);
}

// The tree

function editedTree(text: string, value: Fields): string | undefined {
  const doc = parseDocument(text, PARSE);
  assign(doc, [], doc.contents, value);
  return doc.toString({ lineWidth: 0 });
}

function assign(doc: Document, path: (string | number)[], node: unknown, value: unknown): void {
  if (isMap(node) && isObject(value)) {
    const old = node.toJS(doc) as Fields;
    for (const key of Object.keys(old)) if (value[key] === undefined) doc.deleteIn([...path, key]);
    for (const [key, item] of Object.entries(value)) {
      if (item !== undefined && !equal(old[key], item))
        assign(doc, [...path, key], node.get(key, true), item);
    }
  } else if (isSeq(node) && Array.isArray(value) && node.items.length === value.length) {
    value.forEach((item, i) => assign(doc, [...path, i], node.items[i], item));
  } else if (isScalar(node) && !(typeof value === "object" && value !== null)) {
    node.value = value;
  } else {
    doc.setIn(path, doc.createNode(value));
  }
}

// The text

interface Edit {
  from: number;
  to: number;
  insert: string;
}

function spliced(text: string, value: Fields): string | undefined {
  if (text.includes("\r")) return undefined;
  const doc = parseDocument(text, PARSE);
  const root = doc.contents;
  if (root === null || (isScalar(root) && root.source === "")) {
    return text + (text === "" || text.endsWith("\n") ? "" : "\n") + stringify(value, BLOCK);
  }
  if (!isMap(root)) return undefined;
  if (root.flow && root.items.length === 0) {
    const [from, to] = extent(root);
    return text.slice(0, from) + stringify(value, BLOCK).trimEnd() + text.slice(to);
  }
  const splice = new Splice(text, doc);
  if (!splice.map(root, value, true)) return undefined;
  return splice.apply();
}

function extent(node: Node): [number, number] {
  const [from, to] = node.range ?? [0, 0];
  return [from, to];
}

function indented(text: string, indent: number): string {
  return text.replace(/\n(?=[^\n])/g, `\n${" ".repeat(indent)}`);
}

function inline(value: unknown, like?: unknown): string {
  if (typeof value === "string" && value.includes("\n")) return JSON.stringify(value);
  if (
    typeof value === "string" &&
    isScalar(like) &&
    (like.type === "QUOTE_SINGLE" || like.type === "QUOTE_DOUBLE")
  ) {
    const scalar = new Scalar(value);
    scalar.type = like.type;
    return stringify(scalar, FLOW).trimEnd();
  }
  return stringify(value, FLOW).trimEnd();
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

const isCollection = (node: unknown): node is YAMLMap | YAMLSeq => isMap(node) || isSeq(node);

/** Collects edits. Its methods return false where a change cannot be expressed as one; the caller then replaces more. */
class Splice {
  private readonly edits: Edit[] = [];

  constructor(
    private readonly text: string,
    private readonly doc: Document,
  ) {}

  apply(): string {
    // From the end, so that positions stay valid; at one position, what is removed first.
    const ordered = this.edits
      .map((edit, i) => ({ ...edit, i }))
      .sort((a, b) => b.from - a.from || b.to - a.to || b.i - a.i);
    return ordered.reduce(
      (text, { from, to, insert }) => text.slice(0, from) + insert + text.slice(to),
      this.text,
    );
  }

  private js(node: unknown): unknown {
    return isNode(node) ? node.toJS(this.doc) : node;
  }

  private lineStart(at: number): number {
    return this.text.lastIndexOf("\n", at - 1) + 1;
  }

  private lineEnd(at: number): number {
    const end = this.text.indexOf("\n", at);
    return end < 0 ? this.text.length : end;
  }

  /** Start of the lines above that hold nothing but a comment. */
  private commentsAbove(line: number): number {
    let start = line;
    while (start > 0) {
      const above = this.lineStart(start - 1);
      if (!this.text.slice(above, start).trimStart().startsWith("#")) break;
      start = above;
    }
    return start;
  }

  /** End of the line on which a node ends, behind a comment on that line. */
  private endOf(node: Node, from: number): number {
    let end = extent(node)[1];
    while (end > from && /\s/.test(this.text[end - 1] ?? "")) end--;
    return this.lineEnd(end);
  }

  /** Tries to change a node within itself, undoing the attempt if it fails. */
  private within(node: unknown, value: unknown): boolean {
    const count = this.edits.length;
    const done =
      (isMap(node) && isObject(value) && this.map(node, value, false)) ||
      (isSeq(node) && Array.isArray(value) && this.seq(node, value));
    if (!done) this.edits.length = count;
    return done;
  }

  map(map: YAMLMap, value: Fields, isRoot: boolean): boolean {
    const pairs = map.items as Pair<unknown, unknown>[];
    const old = this.js(map) as Fields;
    if (pairs.some(({ key, value: item }) => !isScalar(key) || !key.range || isAlias(item))) return false;
    if (Object.keys(old).length !== pairs.length) return false; // merge keys
    if (map.flow) return this.flowMap(map, pairs, value);
    const first = pairs[0]?.key as Scalar | undefined;
    if (!first) return false;
    const at = extent(first)[0];
    const indent = at - this.lineStart(at);
    const added = Object.entries(value).filter(
      ([key, item]) => item !== undefined && old[key] === undefined && !(key in old),
    );
    const keeps = pairs.some(({ key }) => value[String((key as Scalar).value)] !== undefined);
    if (!keeps && added.length === 0 && !isRoot) return false;

    let lastKept: Pair<unknown, unknown> | undefined;
    for (const [i, pair] of pairs.entries()) {
      const key = String((pair.key as Scalar).value);
      const next = value[key];
      if (next === undefined) {
        if (!this.removePair(pair, pairs[i + 1])) return false;
        continue;
      }
      lastKept = pair;
      if (equal(old[key], next) || this.within(pair.value, next)) continue;
      if (!this.pairValue(pair, next, indent)) return false;
    }
    if (added.length > 0) {
      const lines = indented(stringify(Object.fromEntries(added), BLOCK).trimEnd(), indent);
      const space = " ".repeat(indent);
      if (lastKept) {
        const end = this.pairEnd(lastKept);
        this.edits.push({ from: end, to: end, insert: `\n${space}${lines}` });
      } else {
        const start = this.lineStart(at);
        if (this.text.slice(start, at).trim() !== "") return false;
        this.edits.push({ from: start, to: start, insert: `${space}${lines}\n` });
      }
    }
    return true;
  }

  private pairEnd(pair: Pair<unknown, unknown>): number {
    const key = pair.key as Scalar;
    const from = extent(key)[1];
    return isNode(pair.value) ? this.endOf(pair.value, from) : this.lineEnd(from);
  }

  private removePair(pair: Pair<unknown, unknown>, next: Pair<unknown, unknown> | undefined): boolean {
    const at = extent(pair.key as Scalar)[0];
    const start = this.lineStart(at);
    if (this.text.slice(start, at).trim() === "") {
      this.edits.push({ from: start, to: Math.min(this.pairEnd(pair) + 1, this.text.length), insert: "" });
      return true;
    }
    // The first key of an entry of a list, behind its dash.
    if (!next) return false;
    this.edits.push({ from: at, to: extent(next.key as Scalar)[0], insert: "" });
    return true;
  }

  private pairValue(pair: Pair<unknown, unknown>, value: unknown, indent: number): boolean {
    const keyEnd = extent(pair.key as Scalar)[1];
    const colon = this.text.indexOf(":", keyEnd);
    if (colon < 0 || this.text.slice(keyEnd, colon).trim() !== "") return false;
    const node = pair.value;
    const [from, to] = isNode(node) ? extent(node) : [colon + 1, colon + 1];
    const isPlace = isScalar(node) && node.type !== "BLOCK_LITERAL" && node.type !== "BLOCK_FOLDED";
    const isShort = typeof value !== "object" || value === null || isEmpty(value);
    if (isPlace && from === to) {
      const insert = isShort ? ` ${inline(value)}` : this.tail(value, indent);
      this.edits.push({ from: colon + 1, to: colon + 1, insert });
      return true;
    }
    const isLines =
      typeof value === "string" &&
      value.includes("\n") &&
      !(isScalar(node) && node.type?.startsWith("QUOTE"));
    if (isPlace && isShort && !isLines) {
      this.edits.push({ from, to, insert: inline(value, node) });
      return true;
    }
    if (isCollection(node) && node.flow && node.items.length > 0 && !isShort) {
      this.edits.push({ from, to, insert: inline(value) });
      return true;
    }
    let end = to;
    while (end > colon + 1 && /\s/.test(this.text[end - 1] ?? "")) end--;
    // A comment between the key and a value on the lines below stays with the key.
    const comment = /^[ \t]*(#[^\n]*)/.exec(this.text.slice(colon + 1, Math.max(from, colon + 1)))?.[1];
    const tail = isShort && !isLines ? ` ${inline(value)}` : this.tail(value, indent);
    const [head, ...rest] = tail.split("\n");
    const insert = comment ? [`${head} ${comment}`, ...rest].join("\n") : tail;
    this.edits.push({ from: colon + 1, to: end, insert });
    return true;
  }

  /** A value as it follows `key:` in block style. */
  private tail(value: unknown, indent: number): string {
    return indented(stringify({ k: value }, BLOCK).slice(2).replace(/\n$/, ""), indent);
  }

  private flowMap(map: YAMLMap, pairs: Pair<unknown, unknown>[], value: Fields): boolean {
    const old = this.js(map) as Fields;
    const keys = Object.keys(value).filter((key) => value[key] !== undefined);
    if (pairs.length > 0 && keys.length === pairs.length && keys.every((key) => key in old)) {
      return pairs.every(({ key, value: node }) => {
        const name = String((key as Scalar).value);
        return (
          equal(old[name], value[name]) || this.within(node, value[name]) || this.flowValue(node, value[name])
        );
      });
    }
    if (pairs.length === 0 || keys.length === 0) return false;
    return this.rebuild(map, [
      ...pairs.flatMap(({ key, value: node }) => {
        const name = String((key as Scalar).value);
        if (value[name] === undefined) return [];
        if (!equal(old[name], value[name]) || !isNode(node))
          return [`${inline(name)}: ${inline(value[name], node)}`];
        return [this.text.slice(extent(key as Scalar)[0], extent(node)[1])];
      }),
      ...keys.filter((key) => !(key in old)).map((key) => `${inline(key)}: ${inline(value[key])}`),
    ]);
  }

  private flowValue(node: unknown, value: unknown): boolean {
    if (!isNode(node) || isAlias(node)) return false;
    const [from, to] = extent(node);
    if (from === to) return false;
    this.edits.push({ from, to, insert: inline(value, node) });
    return true;
  }

  private rebuild(node: YAMLMap | YAMLSeq, parts: string[]): boolean {
    const [from, to] = extent(node);
    const source = this.text.slice(from, to);
    const open = source[0];
    const close = source.at(-1);
    // A comment within would be lost.
    if (source.includes("#") || !(open === "[" || open === "{") || parts.length === 0) return false;
    const padding = /^.\s/.test(source) ? " " : "";
    this.edits.push({ from, to, insert: `${open}${padding}${parts.join(", ")}${padding}${close}` });
    return true;
  }

  private seq(seq: YAMLSeq, value: unknown[]): boolean {
    const items = seq.items;
    const old = this.js(seq) as unknown[];
    if (value.length === 0 || items.length === 0) return false;
    if (items.some((item) => !isNode(item) || isAlias(item) || isPair(item) || !item.range)) return false;
    const nodes = items as Node[];

    let start = 0;
    while (start < Math.min(old.length, value.length) && equal(old[start], value[start])) start++;
    let tail = 0;
    while (
      tail < Math.min(old.length, value.length) - start &&
      equal(old[old.length - 1 - tail], value[value.length - 1 - tail])
    )
      tail++;
    const before = old.slice(start, old.length - tail);
    const after = value.slice(start, value.length - tail);
    const moved =
      before.length > 1 &&
      after.some((item, i) => !equal(item, before[i]) && before.some((b) => equal(b, item)));

    if (before.length === after.length && !moved) {
      return after.every((item, i) => {
        const node = nodes[start + i];
        if (equal(before[i], item) || this.within(node, item)) return true;
        return seq.flow ||
          (isScalar(node) && !node.type?.startsWith("BLOCK") && (typeof item !== "object" || item === null))
          ? this.flowValue(node, item)
          : this.blockItems(nodes, old, start, before, [item], i);
      });
    }
    if (seq.flow) {
      const free = new Set(old.keys());
      return this.rebuild(
        seq,
        value.map((item) => {
          const same = [...free].find((i) => equal(old[i], item));
          const node = same === undefined ? undefined : nodes[same];
          if (same === undefined || !node) return inline(item);
          free.delete(same);
          return this.text.slice(...extent(node));
        }),
      );
    }
    return this.blockItems(nodes, old, start, before, after);
  }

  /**
   * Rewrites the entries of a list from `start`: entries that stay keep their text, with the comments above them. With
   * `only`, just that one of them.
   */
  private blockItems(
    nodes: Node[],
    old: unknown[],
    start: number,
    before: unknown[],
    after: unknown[],
    only?: number,
  ): boolean {
    const segments: Range[] = [];
    let previous = -1;
    let indent = 0;
    for (const [i, node] of nodes.entries()) {
      const at = extent(node)[0];
      const line = this.lineStart(at);
      const dash = /^( *)-[ \t]+$/.exec(this.text.slice(line, at));
      if (!dash || (i > 0 && dash[1]?.length !== indent)) return false;
      indent = dash[1]?.length ?? 0;
      const end = Math.min(this.endOf(node, at) + 1, this.text.length);
      segments.push({ from: i === 0 ? this.commentsAbove(line) : previous, to: end });
      previous = end;
    }
    const fresh = (item: unknown) =>
      " ".repeat(indent) + indented(stringify([item], BLOCK).trimEnd(), indent) + "\n";
    const text = (range: Range | undefined) => {
      const lines = range ? this.text.slice(range.from, range.to) : "";
      return lines.endsWith("\n") ? lines : `${lines}\n`;
    };
    const first = only === undefined ? start : start + only;
    const count = only === undefined ? before.length : 1;
    const free = new Set(only === undefined ? before.keys() : []);
    const insert = after
      .map((item) => {
        const same = [...free].find((i) => equal(before[i], item));
        if (same === undefined) return fresh(item);
        free.delete(same);
        return text(segments[start + same]);
      })
      .join("");
    const from = segments[first]?.from ?? segments[old.length - 1]?.to;
    const to = count === 0 ? from : segments[first + count - 1]?.to;
    if (from === undefined || to === undefined) return false;
    // Behind a last line without a line break.
    const lead = from === this.text.length && !this.text.endsWith("\n") ? "\n" : "";
    this.edits.push({ from, to, insert: lead + insert });
    return true;
  }
}

interface Range {
  from: number;
  to: number;
}
