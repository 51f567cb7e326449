/** Changes of the scopes of a configuration, and their reconciliation with those of others. */
import type { MatchKind, Scope } from "../../api/types";
import { equal } from "./yamlEdit";

export const MATCHES: readonly MatchKind[] = ["domain", "route", "service"];

export const isGateway = (scope: Scope) => scope.key === "gateway";

/** The first list of a match that is not empty says what kind of rule it is. */
export function withMatch(scope: Scope, kind: MatchKind, values: string[]): Scope {
  const match = { ...scope.match, [kind]: values };
  const first = MATCHES.find((each) => match[each].length > 0);
  return { ...scope, match, kind: first ?? (scope.kind === "gateway" ? scope.kind : kind) };
}

/** What the match of a rule says, in one line. */
export function summary(scope: Scope): string {
  return MATCHES.flatMap((kind) => scope.match[kind]).join(", ");
}

/** A rule without any condition is not complete: the server refuses it. */
export const hasCondition = (scope: Scope) => MATCHES.some((kind) => scope.match[kind].length > 0);

function newKey(scopes: Scope[]): string {
  const used = new Set(scopes.map(({ key }) => key));
  let number = 1;
  while (used.has(`new-${number}`)) number++;
  return `new-${number}`;
}

export function added(scopes: Scope[], kind: MatchKind): { scopes: Scope[]; key: string } {
  const key = newKey(scopes);
  const scope: Scope = { key, kind, match: { domain: [], route: [], service: [] }, enabled: true, text: "" };
  return { scopes: [...scopes, scope], key };
}

export function copied(scopes: Scope[], key: string): { scopes: Scope[]; key: string } {
  const copy = newKey(scopes);
  return {
    scopes: scopes.flatMap((scope) =>
      scope.key === key ? [scope, { ...without(scope, "fixed"), key: copy }] : [scope],
    ),
    key: copy,
  };
}

function without(scope: Scope, field: "fixed"): Scope {
  const { [field]: _, ...rest } = scope;
  return rest;
}

/** Moves a rule to the place of another among the rules. */
export function moved(scopes: Scope[], key: string, to: number): Scope[] {
  const rules = scopes.filter((scope) => !isGateway(scope));
  const from = rules.findIndex((scope) => scope.key === key);
  const rule = rules[from];
  if (!rule) return scopes;
  rules.splice(from, 1);
  rules.splice(Math.max(0, Math.min(to, rules.length)), 0, rule);
  return [...scopes.filter(isGateway), ...rules];
}

// Reconciliation

export interface Conflict {
  key: string;
  mine?: Scope;
  theirs?: Scope;
}

export type Choice = "mine" | "theirs";

/**
 * `theirs` with the keys of `base`. A key may be no more than the place of a rule, so rules are recognised by what they
 * hold, then by what they match, and only then by their key.
 */
function aligned(base: Scope[], theirs: Scope[]): Map<string, Scope> {
  const pairs = new Map<string, Scope>();
  const free = new Set(theirs);
  const pair = (isSame: (mine: Scope, their: Scope) => boolean) => {
    for (const scope of base) {
      if (pairs.has(scope.key)) continue;
      const other = [...free].find((their) => isSame(scope, their));
      if (!other) continue;
      free.delete(other);
      pairs.set(scope.key, other);
    }
  };
  const content = ({ match, enabled, text }: Scope) => ({ match, enabled, text });
  pair((scope, other) => isGateway(scope) && isGateway(other));
  pair((scope, other) => !isGateway(other) && equal(content(scope), content(other)));
  pair((scope, other) => !isGateway(other) && equal(scope.match, other.match));
  pair((scope, other) => !isGateway(other) && scope.key === other.key);
  for (const other of free) pairs.set(`theirs ${other.key}`, other);
  return pairs;
}

/**
 * Mine and theirs, both changed from `base`, in one, with the keys of theirs. A scope that only one side changed takes
 * that change; one that both changed differently is a conflict, resolved by `choices`, and mine without a choice.
 */
export function merged(
  base: Scope[],
  mine: Scope[],
  theirs: Scope[],
  choices: Record<string, Choice> = {},
): { scopes: Scope[]; conflicts: Conflict[] } {
  const pairs = aligned(base, theirs);
  const keyOf = new Map([...pairs].map(([key, scope]) => [scope, key]));
  const [b, m] = [
    new Map(base.map((scope) => [scope.key, scope])),
    new Map(mine.map((scope) => [scope.key, scope])),
  ];
  const conflicts: Conflict[] = [];
  const choose = (key: string): Scope | undefined => {
    const [was, my, real] = [b.get(key), m.get(key), pairs.get(key)];
    const their = real && { ...real, key };
    if (equal(my, their) || equal(their, was)) return my;
    if (equal(my, was)) return their;
    conflicts.push({ key, ...(my ? { mine: my } : {}), ...(their ? { theirs: their } : {}) });
    return choices[key] === "theirs" ? their : my;
  };
  const myKeys = mine.map(({ key }) => key);
  const theirKeys = theirs.map((scope) => keyOf.get(scope) ?? scope.key);
  const shared = new Set(base.map(({ key }) => key).filter((key) => m.has(key)));
  const iMoved = !equal(
    myKeys.filter((key) => shared.has(key)),
    base.map(({ key }) => key).filter((key) => shared.has(key)),
  );
  const [keys, others] = iMoved ? [[...myKeys], theirKeys] : [[...theirKeys], myKeys];
  others.forEach((key, i) => {
    if (keys.includes(key)) return;
    const previous = others[i - 1];
    keys.splice(previous === undefined ? 0 : keys.indexOf(previous) + 1, 0, key);
  });
  const scopes: Scope[] = [];
  for (const key of keys) {
    const scope = choose(key);
    if (!scope) continue;
    // A rule that only I have is new to the file as it is now, whatever key it had.
    const real = pairs.get(key)?.key;
    const taken = [...scopes, ...theirs, ...mine];
    scopes.push({ ...scope, key: real ?? (key.startsWith("new-") ? key : newKey(taken)) });
  }
  return { scopes, conflicts };
}

/** All scopes as one text, to compare them. */
export function asText(scopes: Scope[]): string {
  return scopes
    .map((scope) => {
      const match = MATCHES.filter((kind) => scope.match[kind].length > 0).map(
        (kind) => `# ${kind}: ${scope.match[kind].join(", ")}\n`,
      );
      const state = scope.enabled ? "" : "# disabled\n";
      return `# --- ${scope.kind === "gateway" ? "gateway" : "rule"}\n${match.join("")}${state}${scope.text.trimEnd()}\n`;
    })
    .join("\n");
}
