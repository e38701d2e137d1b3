import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Column, c, type Presence } from "../../../../src/dsl/columns.ts";
import { defineTable } from "../../../../src/dsl/table.ts";
import { columnFault } from "../../../../src/plan/column-fault.ts";
import type { ColumnPlan } from "../../../../src/plan/table.ts";
import { compileEncoder } from "../../../../src/sinks/clickhouse/native/encoder.ts";

const planOf = (columns: Record<string, Column<unknown, Presence>>) =>
  defineTable("t", { columns: { ...columns, zz: c.uint8().default(0) }, orderBy: ["zz"] }).plan;

/** The bytes of the only interesting column: what stands between its type and the next column. */
function cellsOf(column: Column<unknown, Presence>, values: readonly unknown[]): string {
  const plan = { ...planOf({ v: column }) };
  const [only] = plan.columns as [ColumnPlan];
  const block = compileEncoder({ ...plan, columns: [only] })(values.map((v) => ({ v })));
  expect(block.rejected).toEqual([]);
  const bytes = block.bytes;
  // 1 column, n rows, "v", the type with its length: then the cells.
  expect([...bytes.subarray(0, 4)]).toEqual([1, values.length, 1, "v".charCodeAt(0)]);
  const [low, high] = [bytes[4] as number, bytes[5] as number];
  return bytes.subarray(low < 128 ? 5 + low : 6 + (low & 127) + high * 128).toString("hex");
}

describe("the Native encoder", () => {
  test("writes a block as ClickHouse's format defines it: counts, then per column its name, type and cells", () => {
    const plan = planOf({ id: c.uint16(), name: c.string() });
    const { bytes, rows, kept } = compileEncoder(plan)([
      { id: 258, name: "ab" },
      { id: 3, name: "" },
    ]);
    const expected = [
      "03",
      "02",
      "02",
      text("id"),
      "06",
      text("UInt16"),
      "0201",
      "0300",
      "04",
      text("name"),
      "06",
      text("String"),
      `02${text("ab")}`,
      "00",
      "02",
      text("zz"),
      "05",
      text("UInt8"),
      "0000",
    ];
    expect(bytes.toString("hex")).toBe(expected.join(""));
    expect({ rows, kept }).toEqual({ rows: 2, kept: undefined });
  });

  test.each<[string, Column<unknown, Presence>, readonly unknown[], string]>([
    ["UUIDs as two little-endian words", c.uuid(), ["00112233-4455-6677-8899-AABBCCDDEEFF"], "7766554433221100ffeeddccbbaa9988"],
    ["booleans as bytes", c.bool(), [true, false], "0100"],
    ["signed integers in two's complement", c.int16(), [-1, 258], "ffff0201"],
    [
      "64-bit numbers beyond 32 bits",
      c.int64(),
      [4_294_967_297, -4_294_967_297, -1],
      "0100000001000000fffffffffeffffffffffffffffffffff",
    ],
    ["64-bit bigints", c.uint64(), [2n ** 64n - 1n, 1n], "ffffffffffffffff0100000000000000"],
    ["floats", c.float32(), [1.5], "0000c03f"],
    ["doubles", c.float64(), [-2], "00000000000000c0"],
    ["dates as days", c.date(), [new Date("1970-01-02T23:59:59Z")], "0100"],
    ["date-times as seconds", c.dateTime(), [new Date(258_000)], "02010000"],
    ["milliseconds", c.dateTime64(3), [new Date(-1)], "ffffffffffffffff"],
    ["tenths, rounded down", c.dateTime64(1), [new Date(-1), new Date(199)], "ffffffffffffffff0100000000000000"],
    [
      "nanoseconds beyond 2^53 exactly",
      c.dateTime64(9),
      [new Date("2026-03-01T00:00:00.123Z")],
      ticks(1_772_323_200_123n * 1_000_000n),
    ],
    [
      "microseconds before 1970 exactly",
      c.dateTime64(6),
      [new Date("1900-01-01T00:00:00.001Z")],
      ticks(-2_208_988_799_999n * 1_000n),
    ],
    ["enums as numbers from 1", c.enum(["a", "b"]), ["b", "a"], "0201"],
    ["long enums as 16 bits", c.enum(Array.from({ length: 200 }, (_, i) => `n${i}`)), ["n199"], "c800"],
    ["nulls as a map before the cells", c.uint8().nullable(), [null, 7, undefined], "010001000700"],
    [
      "arrays as running ends, then all elements",
      c.array(c.uint8()),
      [[1, 2], [], [3]],
      `${ticks(2n)}${ticks(2n)}${ticks(3n)}010203`,
    ],
    ["arrays of arrays", c.array(c.array(c.uint8())), [[[1], [2, 3]]], `${ticks(2n)}${ticks(1n)}${ticks(3n)}010203`],
    ["text beyond ASCII in UTF-8", c.string(), ["é🦊"], "06c3a9f09fa68a"],
    ["half of a surrogate pair as U+FFFD", c.string(), ["a\ud83e", "\udd8a"], "0461efbfbd03efbfbd"],
    ["long text with a long length", c.string(), ["x".repeat(300)], `ac02${"78".repeat(300)}`],
    ["low cardinality as the type it holds", c.string().lowCardinality(), ["x"], "0178"],
    ["defaults where a value is left out", c.string().default("d"), [undefined, "e"], "01640165"],
  ])("writes %s", (_, column, values, hex) => {
    expect(cellsOf(column, values)).toBe(hex);
  });

  test("leaves out rows with a value that does not fit, and says which rule it broke", () => {
    const plan = planOf({ id: c.uuid(), n: c.uint8(), at: c.dateTime64(3), tags: c.array(c.string()).default([]) });
    const good = { id: "00112233-4455-6677-8899-aabbccddeeff", n: 1, at: new Date(0) };
    const rows = [
      good,
      { ...good, id: "00112233-4455-6677-8899-aabbccddeeğf" },
      { ...good, n: 256 },
      { ...good, n: Number.NaN },
      { ...good, at: new Date(Number.NaN) },
      { ...good, at: "2026-03-01" },
      { ...good, tags: ["a", 1] },
      { n: 300, at: good.at },
      null as unknown as object,
      good,
    ];
    const encode = compileEncoder(plan);
    const block = encode(rows);
    expect(block.rejected).toEqual([
      { rowIndex: 1, column: "id", reason: "is not a UUID" },
      { rowIndex: 2, column: "n", reason: "is out of the range of UInt8" },
      { rowIndex: 3, column: "n", reason: "is not a whole number" },
      { rowIndex: 4, column: "at", reason: "is an invalid Date" },
      { rowIndex: 5, column: "at", reason: "is of type string, and must be a Date" },
      { rowIndex: 6, column: "tags", reason: "holds an element that is of type number, and must be a string" },
      { rowIndex: 7, column: "id", reason: "is missing" },
      { rowIndex: 8, column: "id", reason: "is missing" },
    ]);
    expect(block.kept).toEqual([0, 9]);
    expect(block.bytes.equals(encode([good, good]).bytes)).toBe(true);
  });

  test("makes an empty block when no row is left", () => {
    const block = compileEncoder(planOf({ n: c.uint8() }))([{ n: -1 }]);
    expect({ bytes: block.bytes.length, rows: block.rows, kept: block.kept }).toEqual({ bytes: 0, rows: 0, kept: [] });
  });

  test("refuses exactly the values that the one rule for values refuses", () => {
    const types = [
      c.uuid(),
      c.string(),
      c.bool(),
      c.uint8(),
      c.int8(),
      c.uint16(),
      c.int32(),
      c.uint32(),
      c.int64(),
      c.uint64(),
      c.float32(),
      c.float64(),
    ];
    const more = [
      c.date(),
      c.dateTime(),
      c.dateTime64(0),
      c.dateTime64(3),
      c.dateTime64(9),
      c.enum(["a", "b"]),
      c.array(c.int8()),
      c.string().nullable(),
      c.array(c.array(c.string())),
    ];
    const value = fc.oneof(
      fc.anything({ withDate: true, withBigInt: true }),
      fc.constantFrom(
        "a",
        "b",
        null,
        undefined,
        -1,
        0,
        127,
        128,
        255,
        256,
        65_536,
        2 ** 31,
        2 ** 32,
        2 ** 53,
        -(2 ** 53),
        1e39,
        2n ** 63n,
        -(2n ** 63n),
        2n ** 64n,
      ),
      fc.date({ min: new Date("1899-12-30"), max: new Date("2301-01-01"), noInvalidDate: false }),
      fc.uuid(),
      fc.array(fc.oneof(fc.integer(), fc.string())),
    );
    fc.assert(
      fc.property(fc.constantFrom(...types, ...more), fc.array(value, { maxLength: 5 }), (column, values) => {
        const plan = planOf({ v: column });
        const [first] = plan.columns as [ColumnPlan, ...ColumnPlan[]];
        const { rejected } = compileEncoder(plan)(values.map((v) => ({ v })));
        const expected = values.flatMap((v, rowIndex) => {
          const reason = columnFault(first, v);
          return reason === undefined ? [] : [{ rowIndex, column: "v", reason }];
        });
        expect(rejected).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });
});

function text(value: string): string {
  return Buffer.from(value).toString("hex");
}

function ticks(value: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes.toString("hex");
}
