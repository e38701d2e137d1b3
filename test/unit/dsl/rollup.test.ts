import { describe, expect, test } from "vitest";
import { c } from "../../../src/dsl/columns.ts";
import { defineRollup, rollups } from "../../../src/dsl/rollup.ts";
import { defineTable, type TableOptions } from "../../../src/dsl/table.ts";

const columns = {
  id: c.uuid(),
  user: c.string(),
  at: c.dateTime64(3),
  day: c.date(),
  left: c.dateTime().nullable(),
  tags: c.array(c.string()).default([]),
  cents: c.int32(),
};
const tableOf = (change: Partial<TableOptions<typeof columns>> = {}) =>
  defineTable("t", { columns, orderBy: ["user", "at", "day", "id"], ...change });
const events = { events: rollups.count() };
const of = (change: object, name = "r") =>
  defineRollup(name, { from: tableOf(), time: "at", every: "hour", groupBy: ["user"], columns: events, ...change });

describe("a rollup", () => {
  test("is a plan of its source, its buckets and its columns", () => {
    const median = rollups.quantile("cents", 0.5, { where: "user != ''" });
    expect(of({ where: "cents > 0", columns: { ...events, median } }).plan).toMatchObject({
      kind: "rollup",
      name: "r",
      from: { name: "t" },
      time: "at",
      every: "hour",
      where: "cents > 0",
      groupBy: ["user"],
      columns: [
        { name: "events", aggregate: "count", args: [], where: undefined },
        { name: "median", aggregate: "quantileExact(0.5)", args: ["cents"], where: "user != ''" },
      ],
    });
  });

  test.each([
    ["a bad name", () => of({}, "r-1"), "'r-1' cannot be the name of a rollup"],
    ["an unknown time", () => of({ time: "att" }), "names the column 'att', which table 't' does not have"],
    ["a text for its time", () => of({ time: "user" }), "takes its time from 'user', which holds no moments, or may be null"],
    ["a day for its time", () => of({ time: "day" }), "takes its time from 'day', which holds no moments, or may be null"],
    ["a time that may be null", () => of({ time: "left" }), "takes its time from 'left', which holds no moments, or may be null"],
    [
      "a time by which a row is not the same",
      () => of({ from: tableOf({ orderBy: ["user", "id"] }) }),
      "takes its time from 'at', which is not in the orderBy of 't'",
    ],
    [
      "a source that ages by another time",
      () => of({ from: tableOf({ ttl: { column: "day", days: 9 } }) }),
      "takes its time from 'at', and rows of 't' are deleted by 'day'",
    ],
    [
      "a source that keeps repeats",
      () => of({ from: tableOf({ engine: { kind: "mergeTree" } }) }),
      "reads 't', which keeps repeated rows",
    ],
    ["buckets of another kind", () => of({ every: "week" }), "has buckets of 'week'"],
    ["an unknown key", () => of({ groupBy: ["who"] }), "names the column 'who'"],
    ["no columns", () => of({ columns: {} }), "has no columns"],
    [
      "a column named as its bucket",
      () => of({ columns: { hour: rollups.count() } }),
      "has a column 'hour', which every rollup has",
    ],
    ["a column named as its version", () => of({ columns: { version: rollups.count() } }), "has a column 'version'"],
    ["a sum of texts", () => of({ columns: { all: rollups.sum("user") } }), "has the sum of 'user', which is no number"],
    ["a mean of times", () => of({ columns: { mean: rollups.avg("at") } }), "has the avg of 'at', which is no number"],
    [
      "a quantile of texts",
      () => of({ columns: { q: rollups.quantile("id", 0.5) } }),
      "has a quantile of 'id', which is no number",
    ],
    ["an array to count", () => of({ columns: { all: rollups.uniqExact("tags") } }), "aggregates 'tags', which is an array"],
    [
      "no such quantile",
      () => of({ columns: { q: rollups.quantile("cents", 95) } }),
      "rollups.quantile('cents', 95): the level is not from 0 to 1",
    ],
  ])("with %s is refused", (_, make, message) => {
    expect(make).toThrow(
      expect.objectContaining({ name: "ConfigError", code: "config.invalid", message: expect.stringContaining(message) }),
    );
  });
});
