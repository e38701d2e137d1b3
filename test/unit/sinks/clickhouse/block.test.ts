import fc from "fast-check";
import { c, defineTable } from "headrace";
import { expect, test } from "vitest";
import type { Column, Presence } from "../../../../src/dsl/columns.ts";
import type { ColumnKind } from "../../../../src/plan/column-type.ts";
import { joinBlocks, sliceBlock } from "../../../../src/sinks/clickhouse/native/block.ts";
import { compileEncoder } from "../../../../src/sinks/clickhouse/native/encoder.ts";

const time = fc.date({ min: new Date("2000-01-01T00:00:00Z"), max: new Date("2100-01-01T00:00:00Z"), noInvalidDate: true });
const names = Array.from({ length: 200 }, (_, n) => `name ${n}`);
const whole = (bits: number, signed: boolean) =>
  fc.bigInt(
    signed ? { min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n } : { min: 0n, max: 2n ** BigInt(bits) - 1n },
  );
const narrow = (bits: number, signed: boolean) => whole(bits, signed).map(Number);

type Sample = readonly [column: Column<unknown, "required">, values: fc.Arbitrary<unknown>];

/** Columns of each kind, and what they may hold. The compiler asks for those of a new kind. */
const samples: Readonly<Record<ColumnKind, readonly Sample[]>> = {
  uuid: [[c.uuid(), fc.uuid()]],
  string: [[c.string(), fc.string({ unit: "binary", maxLength: 300 })]],
  bool: [[c.bool(), fc.boolean()]],
  int: [
    [c.uint8(), narrow(8, false)],
    [c.int16(), narrow(16, true)],
    [c.uint32(), narrow(32, false)],
    [c.int64(), whole(64, true)],
  ],
  float: [
    [c.float32(), fc.float({ noNaN: true, noDefaultInfinity: true })],
    [c.float64(), fc.double({ noNaN: true, noDefaultInfinity: true })],
  ],
  date: [[c.date(), time]],
  dateTime: [[c.dateTime(), time]],
  dateTime64: [[c.dateTime64(3), time]],
  enum: [
    [c.enum(["a", "b"]), fc.constantFrom("a", "b")],
    [c.enum(names), fc.constantFrom(...names)],
  ],
  array: [[c.array(c.array(c.string())), fc.array(fc.array(fc.string(), { maxLength: 3 }), { maxLength: 3 })]],
};

/** Each column by itself, in an array, and, where it may be, nullable. */
const columns = Object.values(samples)
  .flat()
  .flatMap(([column, values], n): readonly (readonly [name: string, Column<unknown, Presence>, fc.Arbitrary<unknown>])[] => [
    [`plain${n}`, column, values],
    [`array${n}`, c.array(column), fc.array(values, { maxLength: 4 })],
    ...(column.draft.type.kind === "array"
      ? []
      : [[`nullable${n}`, (column as ReturnType<typeof c.uuid>).nullable(), fc.option(values, { nil: null })] as const]),
  ]);
const table = defineTable("all", {
  columns: { word: c.string().lowCardinality(), ...Object.fromEntries(columns.map(([name, column]) => [name, column])) },
  orderBy: ["word"],
});
const row = fc.record({ word: fc.string(), ...Object.fromEntries(columns.map(([name, , values]) => [name, values])) });

test("a slice of a block is the block of the slice, whatever the columns hold", () => {
  const encode = compileEncoder(table.plan);
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), fc.nat(12), fc.nat(12), (rows, a, b) => {
      const [from, to] = [Math.min(a, b, rows.length), Math.min(Math.max(a, b), rows.length)];
      const block = encode(rows);
      expect(block.rejected).toEqual([]);
      expect(sliceBlock(block, from, to).equals(encode(rows.slice(from, to)).bytes)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test("blocks joined are the block of all their rows, whatever the columns hold", () => {
  const encode = compileEncoder(table.plan);
  const rows = fc.array(row, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(rows, { minLength: 1, maxLength: 4 }), (parts) => {
      expect(joinBlocks(parts.map(encode)).equals(encode(parts.flat()).bytes)).toBe(true);
    }),
    { numRuns: 200 },
  );
});
