/** Exclusions of a firewall in the text of a scope. */
import type { Exclusion } from "../../api/types";
import { editYaml, isObject, parseFields } from "./yamlEdit";

/** What an exclusion leaves out; the reason does not matter. */
export const keyOf = ({ rule, target, path }: { rule?: unknown; target?: unknown; path?: unknown }) =>
  JSON.stringify([String(rule), target ?? null, path ?? null]);

function entries(text: string): unknown[] {
  const exclude = parseFields(text).value?.exclude;
  return Array.isArray(exclude) ? (exclude as unknown[]) : [];
}

/** The keys of the exclusions in a text. */
export const present = (text: string): Set<string> => new Set(entries(text).filter(isObject).map(keyOf));

/** The text with these exclusions as well; undefined if it has syntax errors. */
export function withExclusions(text: string, added: Exclusion[]): string | undefined {
  const { value } = parseFields(text);
  const known = present(text);
  const missing = added.filter((entry) => !known.has(keyOf(entry)));
  return value && editYaml(text, { ...value, exclude: [...entries(text), ...missing] });
}
