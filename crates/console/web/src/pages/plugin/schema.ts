/** Schemas of plug-ins: OpenAPI v3 as in a `WasmPlugin`, prepared for the form, the validator and the table of fields. */
import type { JsonSchema } from "../../api/types";
import { isObject } from "./yamlEdit";

export type Path = (string | number)[];

export function isSchema(value: unknown): value is JsonSchema {
  return isObject(value);
}

/** Every subschema replaced, from the leaves up. */
function mapSchema(schema: JsonSchema, change: (schema: JsonSchema) => JsonSchema): JsonSchema {
  const out: JsonSchema = { ...schema };
  const each = (value: unknown) => (isSchema(value) ? mapSchema(value, change) : value);
  for (const key of ["items", "additionalProperties", "not", "if", "then", "else", "contains"]) {
    if (key in out) out[key] = Array.isArray(out[key]) ? out[key].map(each) : each(out[key]);
  }
  for (const key of ["allOf", "anyOf", "oneOf"]) if (Array.isArray(out[key])) out[key] = out[key].map(each);
  for (const key of ["properties", "patternProperties", "$defs", "definitions"]) {
    const group = out[key];
    if (isSchema(group)) out[key] = Object.fromEntries(Object.entries(group).map(([k, v]) => [k, each(v)]));
  }
  return change(out);
}

/** For a validator of JSON Schema, which knows neither `nullable` nor texts that may be written without quotes. */
export function forValidator(schema: JsonSchema): JsonSchema {
  return mapSchema(schema, (original) => {
    const isText = original["x-text"] === true;
    const part = isText ? { ...original, type: ["string", "integer", "boolean"] } : original;
    if (part.nullable !== true || (typeof part.type !== "string" && !isText)) return part;
    const { nullable: _, ...rest } = part;
    return {
      ...rest,
      type: [part.type, "null"].flat(),
      ...(Array.isArray(part.enum) ? { enum: [...(part.enum as unknown[]), null] } : {}),
    };
  });
}

/**
 * For the form. A default is what the plug-in does without the field, so it is shown but never written into the
 * configuration.
 */
export function forForm(schema: JsonSchema): JsonSchema {
  return mapSchema(schema, (part) => {
    const { nullable: _, default: standard, example: __, ...rest } = part;
    return standard === undefined ? rest : { ...rest, "x-default": standard };
  });
}

const I18N = ["x-description-i18n", "x-title-i18n"] as const;

/** A text of the schema in the reader's language. */
export function localized(schema: JsonSchema, what: "description" | "title", language: "en" | "zh"): string {
  if (language === "zh") {
    const texts = schema[I18N[what === "description" ? 0 : 1]];
    const text = isSchema(texts) ? texts["zh-CN"] : undefined;
    if (typeof text === "string" && text !== "") return text;
  }
  const text = schema[what];
  return typeof text === "string" ? text : "";
}

export function isLines(schema: JsonSchema): boolean {
  return (
    schema.type === "array" && isSchema(schema.items) && schema.items.type === "string" && !schema.items.enum
  );
}

export function typeName(schema: JsonSchema): string {
  if (schema.type === "array" && isSchema(schema.items)) return `${typeName(schema.items)}[]`;
  if (schema["x-kubernetes-int-or-string"]) return "integer | string";
  if (Array.isArray(schema.type)) return schema.type.filter((type) => type !== "null").join(" | ");
  return typeof schema.type === "string" ? schema.type : "any";
}

export interface Field {
  path: string;
  schema: JsonSchema;
  required: boolean;
}

/** All fields, outermost first, as `http_service.endpoint.service_name` and `rules[].key`. */
export function fields(schema: JsonSchema, prefix = ""): Field[] {
  const properties = isSchema(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? (schema.required as unknown[]) : [];
  return Object.entries(properties).flatMap(([name, value]) => {
    if (!isSchema(value)) return [];
    const path = prefix + name;
    return [{ path, schema: value, required: required.includes(name) }, ...nested(value, path)];
  });
}

function nested(schema: JsonSchema, path: string): Field[] {
  if (schema.type === "array" && isSchema(schema.items)) return nested(schema.items, `${path}[]`);
  return fields(schema, `${path}.`);
}

/** `a.b[1].c` as a path. A name may hold anything but these characters. */
export function toPath(text: string): Path {
  return [...text.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name]) =>
    index === undefined ? (name ?? "") : Number(index),
  );
}

export function toText(path: Path): string {
  return path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? part : `${text}.${part}`),
    "",
  );
}

/** The schema of a value at a path. */
export function at(schema: JsonSchema, path: Path): JsonSchema | undefined {
  let here: unknown = schema;
  for (const part of path) {
    if (!isSchema(here)) return undefined;
    if (typeof part === "number") {
      here = here.items;
    } else {
      const properties: unknown = here.properties;
      here = isSchema(properties) && part in properties ? properties[part] : here.additionalProperties;
    }
  }
  return isSchema(here) ? here : undefined;
}

/** The path of the field that shows a mistake: the nearest one that the form has. */
export function shownAt(schema: JsonSchema, path: Path): Path {
  for (let length = path.length; length > 0; length--) {
    const here = path.slice(0, length);
    const parent = at(schema, here.slice(0, -1));
    // A list of lines is one field.
    if (at(schema, here) && !(parent && isLines(parent))) return here;
  }
  return [];
}

/**
 * Whether the value at a path is a secret. Pointers are of the schema, such as
 * `/properties/redis/properties/password`; a schema may also say so itself.
 */
export function secretPaths(schema: JsonSchema | undefined, pointers: string[], value: unknown): Path[] {
  const found: Path[] = [];
  const visit = (value: unknown, path: Path, pointer: string, schema: JsonSchema | undefined) => {
    const marked = schema && (schema.format === "password" || schema.writeOnly === true);
    if (marked || pointers.includes(pointer)) {
      found.push(path);
    } else if (Array.isArray(value)) {
      value.forEach((item, i) => visit(item, [...path, i], `${pointer}/items`, schema && at(schema, [i])));
    } else if (isObject(value)) {
      const properties = schema && isSchema(schema.properties) ? schema.properties : {};
      for (const [name, item] of Object.entries(value)) {
        const escaped = name.replace(/~/g, "~0").replace(/\//g, "~1");
        const step =
          name in properties || !schema?.additionalProperties
            ? `/properties/${escaped}`
            : "/additionalProperties";
        visit(item, [...path, name], pointer + step, schema && at(schema, [name]));
      }
    }
  };
  visit(value, [], "", schema);
  return found;
}
