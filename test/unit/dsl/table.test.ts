import { describe, expect, test } from "vitest";
import { aggregates, defineAggregate } from "../../../src/dsl/aggregate.ts";
import { c } from "../../../src/dsl/columns.ts";
import { defineTable, type TableOptions } from "../../../src/dsl/table.ts";
import { defineView } from "../../../src/dsl/view.ts";

const columns = {
  id: c.uuid(),
  user: c.string(),
  at: c.dateTime64(3),
  note: c.string().nullable(),
  tags: c.array(c.string()).default([]),
  seq: c.uint64(),
};
type Options = TableOptions<typeof columns>;
const define = (change: Partial<Options>, name = "t") => defineTable(name, { columns, orderBy: ["user", "at", "id"], ...change });
const untyped = (change: object, name?: string) => define(change as Partial<Options>, name);
const table = define({});

describe("a table", () => {
  test("is a plan of its columns, replaced by sorting key unless it says otherwise", () => {
    expect(table.plan).toMatchObject({
      kind: "table",
      name: "t",
      engine: { kind: "replacingMergeTree", version: undefined },
      orderBy: ["user", "at", "id"],
    });
    expect(table.plan.columns.find(({ name }) => name === "note")).toEqual({
      name: "note",
      type: { kind: "string" },
      nullable: true,
      lowCardinality: false,
      fallback: undefined,
      codec: undefined,
    });
  });

  test("gives its codec to the columns that have none", () => {
    const codecs = define({ codec: "ZSTD(3)", columns: { ...columns, at: c.dateTime64(3).codec("T64, ZSTD(1)") } }).plan.columns;
    expect(codecs.map(({ name, codec }) => `${name} ${codec}`)).toEqual([
      "id ZSTD(3)",
      "user ZSTD(3)",
      "at T64, ZSTD(1)",
      "note ZSTD(3)",
      "tags ZSTD(3)",
      "seq ZSTD(3)",
    ]);
  });

  test.each([
    ["a codec that is SQL", () => untyped({ codec: "ZSTD(1)) ENGINE = Null --" }), "is not a codec"],
    ["no columns", () => untyped({ columns: {} }), "has no columns"],
    ["a bad name", () => untyped({}, "a-b"), "'a-b' cannot be the name of a table"],
    [
      "a bad column name",
      () => untyped({ columns: { "1st": c.string() }, orderBy: ["1st"] }),
      "'1st' cannot be the name of a column",
    ],
    ["an empty sorting key", () => untyped({ orderBy: [] }), "has an empty orderBy"],
    ["a repeated sorting column", () => untyped({ orderBy: ["id", "id"] }), "names a column twice in orderBy"],
    ["an unknown sorting column", () => untyped({ orderBy: ["idd"] }), "has no column 'idd', named in orderBy"],
    ["a nullable sorting column", () => untyped({ orderBy: ["note"] }), "has the nullable column 'note' in orderBy"],
    ["an array in the sorting key", () => untyped({ orderBy: ["tags"] }), "has the array column 'tags' in orderBy"],
    [
      "partitions by a text",
      () => untyped({ partitionBy: { unit: "day", column: "user" } }),
      "names 'user' in partitionBy, which holds no dates, or may be null",
    ],
    [
      "partitions by a column that is not sorted by",
      () => define({ orderBy: ["id"], partitionBy: { unit: "day", column: "at" } }),
      "is cut by 'at', which is not in orderBy",
    ],
    ["a ttl of no days", () => define({ ttl: { column: "at", days: 0 } }), "has a ttl of less than a day"],
    [
      "a ttl beyond all reckoning",
      () => define({ ttl: { column: "at", days: 36_501 } }),
      "has a ttl of more than a hundred years",
    ],
    [
      "a text as its version",
      () => define({ engine: { kind: "replacingMergeTree", version: "user" } }),
      "cannot use 'user' as its version",
    ],
  ])("with %s is refused", (_, make, message) => {
    expect(make).toThrow(
      expect.objectContaining({ name: "ConfigError", code: "config.invalid", message: expect.stringContaining(message) }),
    );
  });
});

describe("a column", () => {
  const modified = (column: unknown) =>
    column as { lowCardinality(): unknown; nullable(): unknown; default(value: unknown): unknown };
  test.each([
    ["lowCardinality() of a number", () => modified(c.uint8()).lowCardinality(), "cannot be lowCardinality()"],
    ["a nullable array", () => modified(c.array(c.string())).nullable(), "an array column cannot be nullable()"],
    ["a default that does not fit", () => modified(c.uint8()).default(256), "is out of the range of UInt8"],
    ["a null default", () => modified(c.uint8()).default(null), "is null"],
    ["an element with modifiers", () => c.array(c.string().lowCardinality()), "the element of an array cannot have modifiers"],
    ["a codec that is SQL", () => c.string().codec("ZSTD(1)) ENGINE = Null --"), "is not a codec"],
    ["no such precision", () => c.dateTime64(10), "dateTime64(10): the precision is not from 0 to 9"],
    ["an enum with a name twice", () => c.enum(["a", "a"]), "different names"],
  ])("with %s is refused", (_, make, message) => {
    expect(make).toThrow(expect.objectContaining({ name: "ConfigError", message: expect.stringContaining(message) }));
  });

  test("is never changed by a modifier: each returns another", () => {
    const text = c.string();
    text.nullable().codec("ZSTD(1)");
    expect(text.draft).toMatchObject({ nullable: false, codec: undefined });
  });
});

describe("an aggregate", () => {
  const of = (change: object) =>
    defineAggregate("a", { from: table, groupBy: ["user"], columns: { first: aggregates.min("at") }, ...change });
  test.each([
    ["an unknown column", () => of({ columns: { first: aggregates.min("att") } }), "names the column 'att'"],
    ["an unknown key", () => of({ groupBy: ["who"] }), "names the column 'who'"],
    ["a nullable key", () => of({ groupBy: ["note"] }), "groups by 'note', which may be null or an array"],
    [
      "a column named as its key",
      () => of({ columns: { user: aggregates.any("user") } }),
      "has 'user' both as a key and as a column",
    ],
    ["an array to aggregate", () => of({ columns: { all: aggregates.any("tags") } }), "aggregates 'tags', which is an array"],
    [
      "a sum, by one who does not type-check",
      () => of({ columns: { total: (aggregates.sum as unknown as (name: string) => unknown)("seq") } }),
      "sees repeated rows",
    ],
  ])("with %s is refused", (_, make, message) => {
    expect(make).toThrow(expect.objectContaining({ name: "ConfigError", message: expect.stringContaining(message) }));
  });
});

test("a view that is no SELECT is refused, and a semicolon at its end is not part of it", () => {
  expect(() => defineView("v", "DROP TABLE t")).toThrow(/is not a SELECT/);
  expect(defineView("v", " SELECT 1 ; ").plan.sql).toBe("SELECT 1");
});
