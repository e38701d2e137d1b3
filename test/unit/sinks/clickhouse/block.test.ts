import fc from "fast-check";
import { c, defineTable } from "headrace";
import { expect, test } from "vitest";
import { joinBlocks, sliceBlock } from "../../../../src/sinks/clickhouse/native/block.ts";
import { compileEncoder } from "../../../../src/sinks/clickhouse/native/encoder.ts";

const table = defineTable("all", {
  columns: {
    id: c.uuid(),
    text: c.string(),
    word: c.string().lowCardinality().nullable(),
    yes: c.bool(),
    small: c.uint8(),
    middle: c.int16(),
    number: c.uint32().nullable(),
    large: c.int64(),
    real: c.float32(),
    double: c.float64(),
    day: c.date(),
    second: c.dateTime(),
    at: c.dateTime64(3),
    kind: c.enum(["a", "b"]),
    tags: c.array(c.string()),
    counts: c.array(c.uint16()),
  },
  orderBy: ["id"],
});

const time = fc.date({ min: new Date("2000-01-01T00:00:00Z"), max: new Date("2100-01-01T00:00:00Z"), noInvalidDate: true });
const row = fc.record({
  id: fc.uuid(),
  text: fc.string({ unit: "binary", maxLength: 300 }),
  word: fc.option(fc.string(), { nil: null }),
  yes: fc.boolean(),
  small: fc.nat(255),
  middle: fc.integer({ min: -32_768, max: 32_767 }),
  number: fc.option(fc.nat(4_294_967_295), { nil: null }),
  large: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  real: fc.float({ noNaN: true, noDefaultInfinity: true }),
  double: fc.double({ noNaN: true, noDefaultInfinity: true }),
  day: time,
  second: time,
  at: time,
  kind: fc.constantFrom("a", "b"),
  tags: fc.array(fc.string(), { maxLength: 4 }),
  counts: fc.array(fc.nat(65_535), { maxLength: 4 }),
});

test("a slice of a block is the block of the slice, whatever the columns hold", () => {
  const encode = compileEncoder(table.plan);
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), fc.nat(12), fc.nat(12), (rows, a, b) => {
      const [from, to] = [Math.min(a, b, rows.length), Math.min(Math.max(a, b), rows.length)];
      const block = encode(rows);
      expect(block.rejected).toEqual([]);
      expect(sliceBlock(block.bytes, from, to).equals(encode(rows.slice(from, to)).bytes)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("blocks joined are the block of all their rows, whatever the columns hold", () => {
  const encode = compileEncoder(table.plan);
  const rows = fc.array(row, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(rows, { minLength: 1, maxLength: 4 }), (parts) => {
      expect(joinBlocks(parts.map(encode)).equals(encode(parts.flat()).bytes)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
