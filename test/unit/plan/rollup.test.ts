import { expect, test } from "vitest";
import { c } from "../../../src/dsl/columns.ts";
import { defineRollup, rollups } from "../../../src/dsl/rollup.ts";
import { defineTable } from "../../../src/dsl/table.ts";
import { bucketsOf, byDay } from "../../../src/plan/rollup.ts";

const table = defineTable("t", {
  columns: { id: c.uuid(), at: c.dateTime64(3).default(new Date(1_000 * 3_600_000 + 5)) },
  orderBy: ["at", "id"],
});
const of = (every: "minute" | "hour" | "day") =>
  defineRollup("r", { from: table, time: "at", every, columns: { n: rollups.count() } }).plan;
const rows = (...times: readonly string[]) => times.map((time) => ({ id: "", at: new Date(time) }));
const buckets = (every: "minute" | "hour" | "day", ...times: readonly string[]) =>
  bucketsOf(of(every), rows(...times)).map((start) => new Date(start).toISOString().slice(0, 16));

test("a row is in the bucket of its time, by UTC, and each bucket is named once", () => {
  const times = ["2026-03-01T23:59:59.999Z", "2026-03-02T00:00:00Z", "2026-03-01T23:59:00Z", "2026-03-02T02:00:00+03:00"];
  expect(buckets("minute", ...times)).toEqual(["2026-03-01T23:59", "2026-03-02T00:00", "2026-03-01T23:00"]);
  expect(buckets("hour", ...times)).toEqual(["2026-03-01T23:00", "2026-03-02T00:00"]);
  expect(buckets("day", ...times)).toEqual(["2026-03-01T00:00", "2026-03-02T00:00"]);
});

test("a row that leaves its time out is where the column's default is; one without a time of ClickHouse is nowhere", () => {
  expect(bucketsOf(of("hour"), [{ id: "" }])).toEqual([1_000 * 3_600_000]);
  expect(bucketsOf(of("hour"), [{ at: new Date(Number.NaN) }, { at: "2026-01-01" }])).toEqual([]);
  expect(buckets("hour", "1969-12-31T23:59:59Z", "2106-01-01T00:00:00Z", "2105-12-31T23:59:59Z")).toEqual(["2105-12-31T23:00"]);
});

test("buckets of one day are counted together, the oldest first", () => {
  const at = (day: number, hour: number) => Date.UTC(2026, 0, day, hour);
  expect(byDay([at(2, 0), at(1, 23), at(5, 3), at(1, 0)])).toEqual([[at(1, 0), at(1, 23)], [at(2, 0)], [at(5, 3)]]);
});
