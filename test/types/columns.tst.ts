import {
  aggregates,
  c,
  clickhouse,
  defineAggregate,
  defineRollup,
  defineTable,
  type RowOf,
  rollups,
  type SinkRef,
} from "headrace";
import { describe, expect, test } from "tstyche";
import type { RowFor, RowLike } from "../../src/dsl/hints.ts";
import type { Rollup } from "../../src/dsl/rollup.ts";

const columns = {
  event_id: c.uuid(),
  user_id: c.string().lowCardinality(),
  at: c.dateTime64(3),
  day: c.date(),
  outcome: c.enum(["success", "failure"]),
  total: c.uint64(),
  small: c.int8(),
  ratio: c.float64(),
  flag: c.bool(),
  tags: c.array(c.string()),
  country: c.string().nullable(),
  method: c.string().default(""),
  labels: c.array(c.array(c.uint8())).default([]).codec("ZSTD(1)"),
};
const table = defineTable("logins", { columns, orderBy: ["user_id", "at", "event_id"] });
type Row = RowOf<typeof table>;

interface Country {
  readonly code: string;
  readonly country?: string;
}

/** True for types that are the same in every modifier. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

describe("a table's row", () => {
  test("has the types of its columns; nullable ones and those with a default may be left out", () => {
    type Expected = {
      readonly event_id: string;
      readonly user_id: string;
      readonly at: Date;
      readonly day: Date;
      readonly outcome: "success" | "failure";
      readonly total: number | bigint;
      readonly small: number;
      readonly ratio: number;
      readonly flag: boolean;
      readonly tags: readonly string[];
      readonly country?: string | null | undefined;
      readonly method?: string | undefined;
      readonly labels?: readonly (readonly number[])[] | undefined;
    };
    expect<Same<Row, Expected>>().type.toBeAssignableTo<true>();
    expect<Same<Row, Omit<Expected, "flag">>>().type.not.toBeAssignableTo<true>();
  });

  test("is what its sink takes", () => {
    expect(clickhouse(table)).type.toBeAssignableTo<SinkRef<Row>>();
  });

  test("has no other columns and all that it needs, and says so at the wrong property or row", () => {
    const to = <const Result extends RowLike<Country>>(toRow: () => Result & RowFor<Country, Result>) => toRow;
    to(() => ({ code: "PL", country: "Poland" }));
    // @ts-expect-error TypeHint<"The sink has no column 'cuntry'">
    to(() => ({ code: "PL", cuntry: "Poland" }));
    // @ts-expect-error TypeHint<"The row lacks the column 'code'">
    to(() => ({ country: "Poland" }));
  });
});

describe("a table", () => {
  test("is sorted by its own columns", () => {
    // @ts-expect-error Type '"att"' is not assignable to type
    defineTable("t", { columns: { event_id: c.uuid(), at: c.dateTime() }, orderBy: ["att"] });
  });

  test("is cut and aged by its own columns of dates that are never null", () => {
    const some = { event_id: c.uuid(), at: c.dateTime(), maybe: c.dateTime().nullable(), day: c.date().default(new Date(0)) };
    // @ts-expect-error Type '"event_id"' is not assignable to type '"at" | "day"'
    defineTable("t", { columns: some, orderBy: ["event_id"], partitionBy: { unit: "day", column: "event_id" } });
    // @ts-expect-error Type '"maybe"' is not assignable to type '"at" | "day"'
    defineTable("t", { columns: some, orderBy: ["event_id"], ttl: { column: "maybe", days: 1 } });
  });

  test("takes a default of the column's own type", () => {
    // @ts-expect-error Argument of type '"c"' is not assignable to parameter of type '"a" | "b"'
    c.enum(["a", "b"]).default("c");
    // @ts-expect-error Argument of type 'string' is not assignable to parameter of type 'Date'
    c.date().default("2026-01-01");
  });

  test("has only modifiers that ClickHouse has", () => {
    // @ts-expect-error Property 'lowCardinality' does not exist on type
    c.uint8().lowCardinality();
    // @ts-expect-error Property 'nullable' does not exist on type
    c.array(c.string()).nullable();
    // @ts-expect-error Type '"optional"' is not assignable to type '"required"'
    c.array(c.string().nullable());
  });
});

describe("an aggregate", () => {
  test("names columns of its source", () => {
    // @ts-expect-error Type '"who"' is not assignable to type
    defineAggregate("a", { from: table, groupBy: ["who"], columns: { first: aggregates.min("at") } });
    // @ts-expect-error Type '"att"' is not assignable to type
    defineAggregate("a", { from: table, groupBy: ["user_id"], columns: { first: aggregates.min("att") } });
    defineAggregate("a", {
      from: table,
      groupBy: ["user_id"],
      columns: { last: aggregates.argMax("outcome", "at", { where: "flag" }) },
    });
  });

  test("cannot add up, and says why", () => {
    // @ts-expect-error A materialised view sees repeated rows: a sum would be too high.
    aggregates.sum("total");
    // @ts-expect-error A materialised view sees repeated rows: a count would be too high.
    aggregates.count();
    // @ts-expect-error A materialised view sees repeated rows: an average would be wrong.
    aggregates.avg("ratio");
  });
});

describe("a rollup", () => {
  test("counts, adds up, and takes what an aggregate takes", () => {
    const columns = {
      events: rollups.count(),
      total: rollups.sum("total", { where: "flag" }),
      first: rollups.min("at"),
      p95: rollups.quantile("total", 0.95),
    };
    expect(defineRollup("r", { from: table, time: "at", every: "hour", columns })).type.toBe<Rollup>();
    // @ts-expect-error Type '"who"' is not assignable to type
    defineRollup("r", { from: table, time: "at", every: "hour", groupBy: ["who"], columns });
    // @ts-expect-error Type '"sum"' is not assignable to type
    defineAggregate("a", { from: table, groupBy: ["user_id"], columns: { total: rollups.sum("total") } });
  });
});
