import { isRecord } from "../core/is-record.ts";
import type { JsonSchema } from "../core/json-schema.ts";

/** A schema, with what its `$ref`s point into. */
interface ComparedSchema {
  readonly schema: unknown;
  readonly root: JsonSchema;
}

interface Pair {
  readonly before: ComparedSchema;
  readonly after: ComparedSchema;
  readonly path: string;
  /** References that are being compared: a schema may hold itself. */
  readonly open: readonly string[];
}

/** Bounds by what a larger number does. */
const bounds = {
  minimum: "narrows",
  exclusiveMinimum: "narrows",
  minLength: "narrows",
  minItems: "narrows",
  minProperties: "narrows",
  maximum: "widens",
  exclusiveMaximum: "widens",
  maxLength: "widens",
  maxItems: "widens",
  maxProperties: "widens",
} as const;

/** Keywords that say nothing of what is taken. */
const remarks = new Set(["$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "deprecated"]);
/** Keywords with a comparison of their own. All others must be the same, or not be there any more. */
const compared = new Set([
  ...Object.keys(bounds),
  ...["$ref", "type", "enum", "const", "properties", "required", "additionalProperties", "propertyNames"],
  ...["items", "prefixItems", "anyOf", "oneOf", "allOf"],
]);

/**
 * What the schema `after` refuses of what `before` takes: a line each, such as `data.quantity: maximum 200 → 100`. Empty where all
 * that was written by `before` can be read by `after`. A schema that it cannot follow counts as changed where it differs.
 */
export const incompatibilities = (before: JsonSchema, after: JsonSchema, path: string): readonly string[] =>
  compare({ before: { schema: before, root: before }, after: { schema: after, root: after }, path, open: [] });

function compare(pair: Pair): readonly string[] {
  const { path } = pair;
  const [before, after] = [united(resolve(pair.before)), resolve(pair.after)];
  const visit = `${refOf(pair.before)} ${refOf(pair.after)}`;
  if (visit !== " " && pair.open.includes(visit)) return [];
  const open = visit === " " ? pair.open : [...pair.open, visit];
  if (after === true) return [];
  if (after === false) return [`${path}: is taken no more`];
  if (before === false) return [];
  if (before === true) return restrictions({}, after, path);

  const inner = (one: unknown, other: unknown, at: string) =>
    compare({
      before: { schema: one, root: pair.before.root },
      after: { schema: other, root: pair.after.root },
      path: at,
      open,
    });
  const variants = variantsOf(before);
  if (variants) return variants.flatMap((variant) => inner({ ...without(before, ["anyOf", "oneOf"]), ...variant }, after, path));
  const choices = variantsOf(after);
  if (choices) {
    const rest = without(after, ["anyOf", "oneOf"]);
    const fits = choices.some((choice) => inner(before, { ...rest, ...choice }, path).length === 0);
    return fits ? [] : [`${path}: fits none of the ${choices.length} variants`];
  }
  return [
    ...restrictions(before, after, path),
    ...properties(before, after, path, inner),
    ...listOf(after["allOf"]).flatMap((one) => inner(before, one, path)),
    ...items(before, after, path, inner),
  ];
}

type Inner = (before: unknown, after: unknown, path: string) => readonly string[];

/** Keywords that hold by themselves. */
function restrictions(before: JsonSchema, after: JsonSchema, path: string): readonly string[] {
  const lines: string[] = [];
  const changed = (keyword: string) => lines.push(`${path}: ${keyword} ${textOf(before[keyword])} → ${textOf(after[keyword])}`);
  const types = typesOf(after);
  const takes = (type: string) => types?.includes(type) || (type === "integer" && types?.includes("number"));
  if (types && !(typesOf(before) ?? ["any"]).every(takes)) lines.push(`${path}: ${nameOf(before)} → ${nameOf(after)}`);
  const allowed = valuesOf(after);
  const values = valuesOf(before);
  if (allowed && !values) lines.push(`${path}: any value → ${allowed.join(", ")}`);
  const gone = allowed && values?.filter((value) => !allowed.includes(value));
  if (gone && gone.length > 0) lines.push(`${path}: no longer ${gone.join(", ")}`);
  for (const [bound, effect] of Object.entries(bounds)) {
    const [old, now] = [before[bound], after[bound]];
    if (typeof now !== "number" || (values && allowed)) continue;
    if (typeof old !== "number" || (effect === "narrows" ? now > old : now < old)) changed(bound);
  }
  for (const keyword of Object.keys(after)) {
    if (remarks.has(keyword) || compared.has(keyword) || (values && allowed)) continue;
    if (JSON.stringify(before[keyword]) !== JSON.stringify(after[keyword])) changed(keyword);
  }
  return lines;
}

function properties(before: JsonSchema, after: JsonSchema, path: string, inner: Inner): readonly string[] {
  const [old, now] = [fieldsOf(before), fieldsOf(after)];
  const required = listOf(before["required"]);
  const missing = listOf(after["required"])
    .filter((name) => !required.includes(name))
    .map((name) => `${path}.${name}: ${String(name) in old ? "optional" : "not there"} → required`);
  const known = Object.keys(now).flatMap((name) => (name in old ? inner(old[name], now[name], `${path}.${name}`) : []));
  const others = after["additionalProperties"] ?? true;
  if (others === true) return [...missing, ...known];
  const removed = Object.keys(old).filter((name) => !(name in now));
  const gone = removed.flatMap((name) => inner(old[name], others, `${path}.${name}`));
  // An object whose fields are all named holds no others, as far as its writers go.
  const open =
    typeof before["additionalProperties"] === "object" ? inner(before["additionalProperties"], others, `${path}.*`) : [];
  const names =
    after["propertyNames"] === undefined ? [] : inner(before["propertyNames"] ?? true, after["propertyNames"], `${path}.*`);
  return [...missing, ...known, ...gone, ...open, ...names];
}

function items(before: JsonSchema, after: JsonSchema, path: string, inner: Inner): readonly string[] {
  const [old, now] = [listOf(before["prefixItems"]), listOf(after["prefixItems"])];
  const rest = before["items"] ?? true;
  const length = Math.max(old.length, now.length);
  const each = Array.from({ length }, (_, i) => inner(old[i] ?? rest, now[i] ?? after["items"] ?? true, `${path}.${i}`));
  return [...each.flat(), ...(after["items"] === undefined ? [] : inner(rest, after["items"], `${path}[]`))];
}

/** Follows a reference into the definitions. */
function resolve({ schema, root }: ComparedSchema): JsonSchema | boolean {
  if (typeof schema === "boolean") return schema;
  const at = schemaOf(schema);
  const ref = at["$ref"];
  if (typeof ref !== "string") return Object.keys(at).some((keyword) => !remarks.has(keyword)) ? at : true;
  if (ref === "#") return root;
  const found = ref
    .split("/")
    .slice(1)
    .reduce<unknown>((inside, part) => schemaOf(inside)[part], root);
  return found === undefined ? at : resolve({ schema: found, root });
}

/** What several schemas ask of an object together. */
function united(schema: JsonSchema | boolean): JsonSchema | boolean {
  if (typeof schema === "boolean" || schema["allOf"] === undefined) return schema;
  const all = [without(schema, ["allOf"]), ...listOf(schema["allOf"]).map(schemaOf)];
  return {
    ...Object.assign({}, ...all),
    properties: Object.assign({}, ...all.map(fieldsOf)),
    required: all.flatMap((one) => listOf(one["required"])),
  };
}

const refOf = ({ schema }: ComparedSchema): string => String(schemaOf(schema)["$ref"] ?? "");
const schemaOf = (value: unknown): JsonSchema => (isRecord(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const fieldsOf = (schema: JsonSchema): Readonly<Record<string, unknown>> => schemaOf(schema["properties"]);
const variantsOf = (schema: JsonSchema) => (schema["anyOf"] ?? schema["oneOf"]) as readonly JsonSchema[] | undefined;
const typesOf = ({ type }: { readonly type?: unknown }) =>
  type === undefined ? undefined : (Array.isArray(type) ? type : [type]).map(String);
const nameOf = (schema: JsonSchema): string => typesOf(schema)?.join(" or ") ?? "any value";
const textOf = (value: unknown): string => (value === undefined ? "none" : JSON.stringify(value));
const without = (schema: JsonSchema, keywords: readonly string[]): JsonSchema =>
  Object.fromEntries(Object.entries(schema).filter(([keyword]) => !keywords.includes(keyword)));

/** The values that an enum or a const leaves, as JSON. */
function valuesOf(schema: JsonSchema): readonly string[] | undefined {
  const values = schema["const"] === undefined ? schema["enum"] : [schema["const"]];
  return values === undefined ? undefined : listOf(values).map((value) => JSON.stringify(value));
}
