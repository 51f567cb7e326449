/**
 * Validation by a schema in the browser, with an interpreter: compiling a schema to code would need `unsafe-eval`. It
 * serves the first hint while typing; the server's check replaces it.
 */
import { type OutputUnit, type Schema, Validator } from "@cfworker/json-schema";
import type { RJSFSchema, ValidationData, ValidatorType } from "@rjsf/utils";
import type { JsonSchema } from "../../api/types";
import { forValidator, type Path } from "./schema";

export interface Finding {
  path: Path;
  /** Keyword of JSON Schema that is not satisfied. */
  keyword: string;
  /** Its value, as text. */
  expected: string;
  message: string;
}

const validators = new WeakMap<object, Validator>();

function validatorOf(schema: JsonSchema): Validator {
  let validator = validators.get(schema);
  if (!validator) {
    validator = new Validator(forValidator(schema) as Schema, "2019-09", false);
    validators.set(schema, validator);
  }
  return validator;
}

// These only repeat that something within is wrong.
const GROUPS = new Set([
  "properties",
  "items",
  "additionalProperties",
  "allOf",
  "anyOf",
  "oneOf",
  "$ref",
  "if",
]);

function pointer(text: string): string[] {
  return text
    .replace(/^#?\/?/, "")
    .split("/")
    .filter((part) => part !== "")
    .map((part) => decodeURIComponent(part).replace(/~1/g, "/").replace(/~0/g, "~"));
}

/** Numbers are indices where the value is a list. */
function toPath(parts: string[], value: unknown): Path {
  const path: Path = [];
  let here = value;
  for (const part of parts) {
    const step = Array.isArray(here) ? Number(part) : part;
    path.push(step);
    here = typeof here === "object" && here !== null ? (here as Record<string, unknown>)[part] : undefined;
  }
  return path;
}

function expectation(schema: JsonSchema, unit: OutputUnit): unknown {
  let here: unknown = schema;
  for (const part of pointer(unit.keywordLocation)) {
    here = typeof here === "object" && here !== null ? (here as Record<string, unknown>)[part] : undefined;
  }
  return here;
}

export function findings(schema: JsonSchema, value: unknown): Finding[] {
  let errors: OutputUnit[];
  try {
    errors = validatorOf(schema).validate(value).errors;
  } catch {
    // A schema that cannot be interpreted, such as one with an expression of another dialect: the server checks.
    return [];
  }
  return errors
    .filter(({ keyword }) => !GROUPS.has(keyword))
    .map((unit) => {
      const path = toPath(pointer(unit.instanceLocation), value);
      const expected = expectation(schema, unit);
      if (unit.keyword === "required") {
        const name = /required property "([^"]*)"/.exec(unit.error)?.[1];
        if (name !== undefined) path.push(name);
      }
      return {
        path,
        keyword: unit.keyword,
        expected: Array.isArray(expected)
          ? expected.filter((item) => item !== null).join(", ")
          : String(expected),
        message: unit.error,
      };
    });
}

/** What the form generator asks for. It chooses between alternatives with `isValid`. */
export const validator: ValidatorType<unknown, RJSFSchema> = {
  validateFormData: (): ValidationData<unknown> => ({ errors: [], errorSchema: {} }),
  isValid: (schema, value, root) => {
    const rooted = { $defs: root.$defs, definitions: root.definitions, ...schema } as JsonSchema;
    try {
      return new Validator(forValidator(rooted) as Schema, "2019-09", true).validate(value).valid;
    } catch {
      return false;
    }
  },
  rawValidation: <Result>(schema: RJSFSchema, value: unknown) => ({
    errors: findings(schema, value) as Result[],
  }),
};

export default validator;
