/** What the browser can find before anything is sent. The server checks everything again. */
import type { Card, Problem } from "../../api/types";

export const MAX_MODULE_BYTES = 50_000_000;

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export type Field = "name" | "description" | "language" | "module" | "priority";
export type Problems = Partial<Record<Field | "stage" | "title" | "configuration", Problem>>;

function problem(code: string, field: Field, params: Record<string, string> = {}): Problem {
  return { code, message: code, params, field };
}

/** The name and size of a file are checked before a byte of it is read. */
export async function checkFile(file: File): Promise<Problem | undefined> {
  if (!file.name.endsWith(".wasm")) return problem("module_name", "module", { name: file.name });
  if (file.size > MAX_MODULE_BYTES) return problem("module_too_large", "module", { size: String(file.size) });
  const head = new Uint8Array(await file.slice(0, MAGIC.length).arrayBuffer());
  const wrong = MAGIC.findIndex((byte, i) => head[i] !== byte);
  if (wrong >= 0) return problem("module_magic", "module", { offset: String(wrong), file: file.name });
  return undefined;
}

export interface FieldValues {
  name: string;
  description: string;
  language: string | null;
  priority: number | string;
}

export function checkFields(values: FieldValues, editing: boolean): Problems {
  const problems: Problems = {};
  if (!editing && !NAME.test(values.name))
    problems.name = problem("name_invalid", "name", { name: values.name });
  if (values.description.trim() === "") problems.description = problem("description_missing", "description");
  if (!values.language) problems.language = problem("language_missing", "language");
  const priority = typeof values.priority === "number" ? values.priority : Number.NaN;
  if (!(priority % 10 === 0)) {
    const down = Number.isNaN(priority) ? 0 : Math.floor(priority / 10) * 10;
    problems.priority = problem("priority_not_multiple", "priority", {
      down: String(down),
      up: String(down + 10),
    });
  }
  return problems;
}

export const MODULE_MISSING: Problem = problem("module_missing", "module");

const FIELDS: readonly string[] = [
  "name",
  "description",
  "language",
  "module",
  "priority",
  "stage",
  "title",
  "configuration",
];

/** Sorts refusals to their fields; `other` have none on this form. */
export function byField(list: Problem[]): { fields: Problems; other: Problem[] } {
  const fields: Problems = {};
  const other: Problem[] = [];
  for (const item of list) {
    const name = item.field?.split(".")[0] ?? "";
    if (FIELDS.includes(name)) fields[name as keyof Problems] ??= item;
    else other.push(item);
  }
  return { fields, other };
}

/** The gateway has refused what was released. */
export function releaseFailed({ message }: Card): Problem {
  return { code: "release_failed", message: "release_failed", params: {}, details: message ? [message] : [] };
}

/** Puts the focus on the first field with a problem, once it is shown. */
export function focusProblem(form: HTMLFormElement | null): void {
  requestAnimationFrame(() => {
    form
      ?.querySelector<HTMLElement>(
        '[aria-invalid="true"], [data-field="module"]:has([role="alert"]) [tabindex="0"]',
      )
      ?.focus();
  });
}
