import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { jsonSchemaOf } from "../../../src/core/json-schema.ts";
import { incompatibilities } from "../../../src/plan/schema-compatibility.ts";

const between = (before: z.ZodType, after: z.ZodType) =>
  incompatibilities(jsonSchemaOf(before) ?? {}, jsonSchemaOf(after) ?? {}, "data");

const login = z.object({ userId: z.string().max(256), attempts: z.int().min(1).max(200), how: z.enum(["password", "key"]) });

describe("what a schema refuses that an earlier one took", () => {
  it.each<[string, z.ZodType, readonly string[]]>([
    ["a new optional field", login.extend({ country: z.string().optional() }), []],
    ["a new field with a default", login.extend({ country: z.string().default("") }), []],
    ["a wider enum", login.extend({ how: z.enum(["password", "key", "otp"]) }), []],
    ["wider bounds", login.extend({ attempts: z.int().min(0).max(300) }), []],
    ["a number where it was whole", login.extend({ attempts: z.number() }), []],
    ["a field that may be missing or null", login.extend({ userId: z.string().nullish() }), []],
    ["a field that nobody reads any more", login.omit({ how: true }), []],
    ["a new required field", login.extend({ ip: z.string() }), ["data.ip: not there → required"]],
    [
      "another type",
      login.extend({ userId: z.int() }),
      [
        "data.userId: string → integer",
        "data.userId: minimum none → -9007199254740991",
        "data.userId: maximum none → 9007199254740991",
      ],
    ],
    ["a narrower enum", login.extend({ how: z.enum(["key"]) }), ['data.how: no longer "password"']],
    ["a lower bound", login.extend({ attempts: z.int().min(1).max(100) }), ["data.attempts: maximum 200 → 100"]],
    ["a shorter text", login.extend({ userId: z.string().max(64) }), ["data.userId: maxLength 256 → 64"]],
    ["a pattern", login.extend({ userId: z.string().max(256).regex(/^u/) }), ['data.userId: pattern none → "^u"']],
    [
      "a field that is refused",
      z.strictObject({ userId: z.string().max(256), how: z.enum(["password", "key"]) }),
      ["data.attempts: is taken no more"],
    ],
  ])("%s", (_, after, lines) => {
    expect(between(login, after)).toEqual(lines);
  });

  it("says so for fields in lists, records, variants and references", () => {
    const node: z.ZodType = z.object({
      value: z.string(),
      get children() {
        return z.array(node).optional();
      },
    });
    const narrower: z.ZodType = z.object({
      value: z.string().max(3),
      get children() {
        return z.array(narrower).optional();
      },
    });
    expect(between(node, node)).toEqual([]);
    expect(between(node, narrower)).toContain("data.value: maxLength none → 3");
    expect(between(z.array(z.string()), z.array(z.int()))[0]).toBe("data[]: string → integer");
    expect(between(z.record(z.string(), z.string()), z.record(z.string(), z.int()))[0]).toBe("data.*: string → integer");
    const either = z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("a") }),
      z.object({ kind: z.literal("b"), n: z.int() }),
    ]);
    const both = z.union([z.object({ kind: z.literal("a") }), z.object({ kind: z.literal("b"), n: z.number() }), z.string()]);
    expect(between(either, both)).toEqual([]);
    expect(between(both, either)).toContain("data: fits none of the 2 variants");
    const joined = z.intersection(z.object({ a: z.string() }), z.object({ b: z.string() }));
    expect(between(joined, joined)).toEqual([]);
    expect(between(joined, z.intersection(z.object({ a: z.string() }), z.object({ b: z.string(), c: z.string() })))).toEqual([
      "data.c: not there → required",
    ]);
  });

  /** A schema, and values that it takes. */
  type Sample = readonly [z.ZodType, fc.Arbitrary<unknown>];
  const leaf: fc.Arbitrary<Sample> = fc.oneof(
    fc.tuple(fc.nat(3), fc.nat(3)).map(
      ([min, more]): Sample => [
        z
          .string()
          .min(min)
          .max(min + more),
        fc.string({ minLength: min, maxLength: min + more, unit: "grapheme-ascii" }),
      ],
    ),
    fc.tuple(fc.integer({ min: -5, max: 5 }), fc.nat(5)).map(
      ([min, more]): Sample => [
        z
          .int()
          .min(min)
          .max(min + more),
        fc.integer({ min, max: min + more }),
      ],
    ),
    fc
      .subarray(["a", "b", "c"], { minLength: 1 })
      .map((values): Sample => [z.enum(values as [string]), fc.constantFrom(...values)]),
    fc.constantFrom<Sample>([z.boolean(), fc.boolean()], [z.null(), fc.constant(null)], [z.number(), fc.integer()]),
  );
  const { schema } = fc.letrec<{ schema: Sample }>((tie) => ({
    schema: fc.oneof(
      { maxDepth: 2 },
      leaf,
      tie("schema").map(([of, values]): Sample => [z.array(of), fc.array(values, { maxLength: 3 })]),
      tie("schema").map(([of, values]): Sample => [of.nullable(), fc.option(values)]),
      fc.tuple(tie("schema"), tie("schema")).map(([[a, as], [b, bs]]): Sample => [z.union([a, b]), fc.oneof(as, bs)]),
      fc
        .dictionary(fc.constantFrom("x", "y", "z"), fc.tuple(tie("schema"), fc.boolean()), { maxKeys: 3 })
        .map((fields): Sample => {
          const entries = Object.entries(fields);
          const required = entries.filter(([, [, optional]]) => !optional).map(([name]) => name);
          return [
            z.object(Object.fromEntries(entries.map(([name, [[of], optional]]) => [name, optional ? of.optional() : of]))),
            fc.record(Object.fromEntries(entries.map(([name, [[, values]]]) => [name, values])), {
              requiredKeys: required as never,
            }),
          ];
        }),
    ),
  }));

  it("finds nothing between a schema and itself", () => {
    fc.assert(
      fc.property(schema, ([one]) => {
        expect(between(one, one)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it("finds something wherever a value of the earlier one is refused", () => {
    let compatible = 0;
    fc.assert(
      fc.property(
        schema.chain(([before, values]) =>
          fc.tuple(fc.constant(before), fc.array(values, { minLength: 5, maxLength: 20 }), schema),
        ),
        ([before, values, [after]]) => {
          if (between(before, after).length > 0) return;
          compatible++;
          for (const value of values) expect(after.safeParse(value).success).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
    expect(compatible).toBeGreaterThan(20);
  });
});
