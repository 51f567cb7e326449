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
 * Mine and theirs, both changed from `base`, in one. A scope that only one side changed takes that change; one that both
 * changed differently is a conflict, resolved by `choices`, and mine without a choice.
 */
export function merged(
  base: Scope[],
  mine: Scope[],
  theirs: Scope[],
  choices: Record<string, Choice> = {},
): { scopes: Scope[]; conflicts: Conflict[] } {
  const find = (scopes: Scope[]) => new Map(scopes.map((scope) => [scope.key, scope]));
  const [b, m, t] = [find(base), find(mine), find(theirs)];
  const conflicts: Conflict[] = [];
  const choose = (key: string): Scope | undefined => {
    const [was, my, their] = [b.get(key), m.get(key), t.get(key)];
    if (equal(my, their) || equal(their, was)) return my;
    if (equal(my, was)) return their;
    conflicts.push({ key, ...(my ? { mine: my } : {}), ...(their ? { theirs: their } : {}) });
    return choices[key] === "theirs" ? their : my;
  };
  const order = (scopes: Scope[], others: Map<string, Scope>) =>
    scopes.filter(({ key }) => others.has(key)).map(({ key }) => key);
  const iMoved = !equal(order(mine, b), order(base, m));
  const [first, second] = iMoved ? [mine, theirs] : [theirs, mine];
  const keys = first.map(({ key }) => key);
  second.forEach(({ key }, i) => {
    if (keys.includes(key)) return;
    const previous = second[i - 1]?.key;
    keys.splice(previous === undefined ? 0 : keys.indexOf(previous) + 1, 0, key);
  });
  return { scopes: keys.flatMap((key) => choose(key) ?? []), conflicts };
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
