/** Exclusions of a firewall in the text of a scope. */
import type { Exclusion } from "../../api/types";
import { editYaml, isObject, parseFields } from "./yamlEdit";

/** An exclusion as it is written, which may be anything. */
type Written = Record<string, unknown>;

/** What an exclusion leaves out; the reason does not matter. */
export const keyOf = ({ rule, target, path }: Exclusion) =>
  JSON.stringify([rule, target ?? null, path ?? null]);

function entries(text: string): unknown[] {
  const exclude = parseFields(text).value?.exclude;
  return Array.isArray(exclude) ? (exclude as unknown[]) : [];
}

/** The exclusions in a text. */
export const present = (text: string): Written[] => entries(text).filter(isObject);

/** Whether rules, a number or a range of them, contain a rule. */
function contains(rules: unknown, rule: number): boolean {
  const [first, last = first] = String(rules).split("-").map(Number);
  return first !== undefined && last !== undefined && first <= rule && rule <= last;
}

/** Whether one of these exclusions leaves out all that another one would: a rule, in a variable, on a path. */
export const isExcluded = (written: Written[], { rule, target, path }: Exclusion): boolean =>
  written.some(
    (wide) =>
      contains(wide.rule, rule) &&
      // A whole collection, such as ARGS, contains its members.
      (wide.target === undefined || wide.target === target || wide.target === target?.split(":")[0]) &&
      (wide.path === undefined ||
        wide.path === path ||
        (typeof wide.path === "string" &&
          wide.path.endsWith("/*") &&
          path?.startsWith(wide.path.slice(0, -1)) === true)),
  );

/** The text with these exclusions as well; undefined if it has syntax errors. */
export function withExclusions(text: string, added: Exclusion[]): string | undefined {
  const { value } = parseFields(text);
  const known = present(text);
  const missing = added.filter((entry) => !isExcluded(known, entry));
  return value && editYaml(text, { ...value, exclude: [...entries(text), ...missing] });
}
