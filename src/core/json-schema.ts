import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * What a schema takes, as JSON Schema. `undefined` where its library does not tell (Standard JSON Schema), or it takes what JSON cannot
 * hold. Checks that are code are left out: nobody can compare those.
 */
export function jsonSchemaOf(schema: StandardSchemaV1): JsonSchema | undefined {
  const jsonSchema = writerOf(schema);
  try {
    return jsonSchema?.input({ target: "draft-2020-12", libraryOptions: { unrepresentable: "any" } });
  } catch {
    return undefined;
  }
}

/** What writes a schema as JSON Schema, where its library can. */
const writerOf = (schema: StandardSchemaV1) => (schema["~standard"] as Partial<StandardJSONSchemaV1["~standard"]>).jsonSchema;

/** Something that a schema takes and JSON cannot hold. */
export interface NotJson {
  /** Such as `date`. */
  readonly what: string;
  /** Where in the data: the names of its fields, joined by dots; empty for the data itself. */
  readonly at: string;
}

const notJson: ReadonlySet<string> = new Set(["date", "bigint", "map", "set", "symbol", "function", "file"]);

/** What zod shows of a part of a schema while it writes it as JSON Schema. */
interface Shown {
  readonly zodSchema?: {
    readonly _zod?: {
      readonly def?: { readonly type?: string; readonly coerce?: boolean };
      readonly bag?: { readonly Class?: { readonly name?: string } };
    };
  };
  readonly path?: readonly (string | number)[];
}

/**
 * Looks for what a schema takes and JSON cannot hold, as far as its library shows: zod does, where others leave it to their types. What
 * is coerced may come as text.
 */
export function notJsonIn(schema: StandardSchemaV1): NotJson | undefined {
  const jsonSchema = writerOf(schema);
  let found: NotJson | undefined;
  const override = ({ zodSchema, path = [] }: Shown) => {
    const { def, bag } = zodSchema?._zod ?? {};
    const what = bag?.Class ? `instance of ${bag.Class.name ?? "a class"}` : def?.type;
    if (what === undefined || def?.coerce || !(bag?.Class || notJson.has(what))) return;
    found ??= { what, at: path.filter((_, i) => path[i - 1] === "properties").join(".") };
  };
  try {
    jsonSchema?.input({ target: "draft-2020-12", libraryOptions: { unrepresentable: "any", override } });
  } catch {
    // A library that cannot write it cannot show it either.
  }
  return found;
}
