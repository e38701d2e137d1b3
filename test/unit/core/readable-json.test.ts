import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readableJson } from "../../../src/core/readable-json.ts";

describe("a value as JSON for people", () => {
  it("is as JSON has it where JSON has it", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(readableJson(value)).toBe(JSON.stringify(value));
      }),
    );
  });

  it("says what JSON has not", () => {
    const shared = { a: 1 };
    expect(readableJson({ total: 2n ** 64n })).toBe('{"total":18446744073709551616}');
    expect(JSON.parse(readableJson([undefined, Number.NaN, Number.NEGATIVE_INFINITY, Symbol("x"), () => 1]))).toEqual([
      "[undefined]",
      "[NaN]",
      "[-Infinity]",
      "[symbol]",
      "[function]",
    ]);
    expect(JSON.parse(readableJson({ twice: [shared, shared], date: new Date(Number.NaN), bytes: Buffer.from("ab") }))).toEqual({
      twice: [shared, shared],
      date: "[Invalid Date]",
      bytes: { "[Buffer]": "YWI=" },
    });
    expect(JSON.parse(readableJson(new Error("no")))).toEqual({ "[Error]": "Error: no" });
    expect(JSON.parse(readableJson(new URL("http://here/")))).toBe("http://here/");
    expect(readableJson(JSON.parse('{"__proto__":{"a":1}}'))).toBe('{"__proto__":{"a":1}}');
    expect(readableJson(undefined)).toBe('"[undefined]"');
  });

  it("never fails, whatever it is given", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    const hostile = [
      deep,
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error("no");
          },
        },
      ),
      {
        get a() {
          throw new Error("no");
        },
      },
      {
        toJSON: () => {
          throw new Error("no");
        },
      },
      {
        toJSON() {
          return this;
        },
      },
      Object.create(null),
      new Map([[{}, new Map()]]),
    ];
    for (const value of hostile) expect(typeof JSON.parse(readableJson({ value }))).toBe("object");
    expect(
      readableJson({
        get a() {
          throw new Error("no");
        },
        b: 1,
      }),
    ).toBe('{"a":"[unreadable]","b":1}');
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSet: true,
          withTypedArray: true,
          withNullPrototype: true,
          withObjectString: true,
          withSparseArray: true,
          withBoxedValues: true,
        }),
        (value) => {
          JSON.parse(readableJson(value));
        },
      ),
    );
  });
});
