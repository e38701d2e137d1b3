import { expect, test } from "vitest";
import { c } from "../../../src/dsl/columns.ts";
import { defineRollup, rollups } from "../../../src/dsl/rollup.ts";
import { defineTable } from "../../../src/dsl/table.ts";
import { bucketsOf, byDay, inARow } from "../../../src/plan/rollup.ts";

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

test("days in a row are as many as are asked for, and hold no more buckets than that, but for one that does so by itself", () => {
  const days = [1, 2, 3, 5, 6].map((day) => [Date.UTC(2026, 0, day), Date.UTC(2026, 0, day, 1)]);
  const many = { days: 9, buckets: 9 };
  expect(inARow(days, many)).toEqual(days.slice(0, 3));
  expect(inARow(days.slice(3), many)).toEqual(days.slice(3));
  expect(inARow(days, { ...many, days: 2 })).toEqual(days.slice(0, 2));
  expect(inARow(days, { ...many, buckets: 5 })).toEqual(days.slice(0, 2));
  expect(inARow(days, { ...many, buckets: 1 })).toEqual(days.slice(0, 1));
  expect(inARow([], many)).toEqual([]);
});

test("buckets of one day are counted together, the oldest first", () => {
  const at = (day: number, hour: number) => Date.UTC(2026, 0, day, hour);
  expect(byDay([at(2, 0), at(1, 23), at(5, 3), at(1, 0)])).toEqual([[at(1, 0), at(1, 23)], [at(2, 0)], [at(5, 3)]]);
});
