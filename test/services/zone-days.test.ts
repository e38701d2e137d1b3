import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { zoneDays } from "../../src/core/zone-days.ts";
import { c } from "../../src/dsl/columns.ts";
import { defineRollup, rollups } from "../../src/dsl/rollup.ts";
import { clickhouse } from "../../src/dsl/sinks.ts";
import { defineTable } from "../../src/dsl/table.ts";
import { defineView } from "../../src/dsl/view.ts";
import type { ClickHouseSinkPlan } from "../../src/plan/plan.ts";
import { byDay } from "../../src/plan/rollup.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { createRollupStore } from "../../src/sinks/clickhouse/rollup-rows.ts";
import { createClickHouseSink } from "../../src/sinks/clickhouse/sink.ts";
import { clickhouseDatabase } from "../support/services.ts";

const quarterMs = 15 * 60_000;
const sales = defineTable("sales", {
  columns: { event_id: c.uuid(), cents: c.uint32(), at: c.dateTime64(3) },
  orderBy: ["at", "event_id"],
  partitionBy: { unit: "day", column: "at" },
});
const salesBy = (every: "hour" | "minute") =>
  defineRollup(`sales_by_${every}`, {
    from: sales,
    time: "at",
    every,
    columns: { sales: rollups.count(), cents: rollups.sum("cents") },
  });
const [byHour, byMinute] = [salesBy("hour"), salesBy("minute")];
const sold = "sum(sales) AS sales, sum(cents) AS cents";
const views = [
  defineView("berlin", `SELECT toDate(hour, 'Europe/Berlin') AS day, ${sold} FROM sales_by_hour GROUP BY day`),
  defineView("kolkata", `SELECT toDate(minute, 'Asia/Kolkata') AS day, ${sold} FROM sales_by_minute GROUP BY day`),
  defineView("medians", "SELECT toDate(at, 'Europe/Berlin') AS day, median(cents) AS median FROM sales FINAL GROUP BY day"),
];

/** A sale each quarter of an hour, over the days on which the clocks of Berlin are moved and those beside them. */
const times = [Date.UTC(2026, 2, 27, 20), Date.UTC(2026, 9, 23, 20)].flatMap((from) =>
  Array.from({ length: 4 * 24 * 4 }, (_, i) => from + i * quarterMs),
);
const rows = times.map((time, i) => ({ event_id: randomUUID() as string, cents: (i * 37) % 1_000, at: new Date(time) }));

let client: ClickHouse;
beforeAll(async () => {
  client = createClickHouse(await clickhouseDatabase());
  await applyMigration(
    await planMigration(
      [sales, byHour, byMinute, ...views].map(({ plan }) => plan),
      client,
    ),
    client,
  );
  const plan = clickhouse(sales, { minIntervalMs: 0 }).plan as ClickHouseSinkPlan;
  const sink = createClickHouseSink(plan, { client, signal: new AbortController().signal });
  expect((await sink.write(rows, rows.length * 30)).rejected).toEqual([]);
  await sink.close();
  const store = createRollupStore(client);
  for (const { plan } of [byHour, byMinute]) for (const day of byDay(await store.buckets(plan))) await store.recount(plan, day);
});
afterAll(() => client.close());

/** What a plain recount gives, by the date on a wall of the zone. */
function recount(timeZone: string) {
  const date = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" });
  const found = new Map<string, { day: string; sales: number; cents: number }>();
  for (const { at, cents } of rows) {
    const day = date.format(at);
    const known = found.get(day) ?? { day, sales: 0, cents: 0 };
    found.set(day, { day, sales: known.sales + 1, cents: known.cents + cents });
  }
  return [...found.values()];
}
const read = (view: string, columns = "toString(day) AS day, toUInt32(sales) AS sales, toUInt32(cents) AS cents") =>
  client.query<{ day: string; sales: number }>(`SELECT ${columns} FROM ${view} ORDER BY day`);

describe("days of a zone", () => {
  test("are what a view adds up of a rollup by hour: those with 23 and 25 hours too", async () => {
    const found = await read("berlin");
    expect(found).toEqual(recount("Europe/Berlin"));
    const of = (day: string) => found.find((row) => row.day === day)?.sales;
    expect([of("2026-03-28"), of("2026-03-29"), of("2026-10-25"), of("2026-10-26")]).toEqual([96, 92, 100, 96]);
    expect(await read("berlin WHERE day = '2026-03-29'")).toMatchObject([{ sales: 92 }]);
  });

  test("are what a view adds up of a rollup by minute, where the clock differs by half an hour", async () => {
    expect(await read("kolkata")).toEqual(recount("Asia/Kolkata"));
  });

  test("are asked of the rows where numbers cannot be added up", async () => {
    const found = await read("medians", "toString(day) AS day, count() OVER () AS days, median");
    expect(found.map(({ day }) => day)).toEqual(recount("Europe/Berlin").map(({ day }) => day));
  });

  test.each(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])(
    "are the same in a window and in ClickHouse: %s",
    async (timeZone) => {
      const dayOf = zoneDays(timeZone);
      const begins = await client.query<{ time: string; start: string }>(
        `SELECT toString(toUnixTimestamp64Milli(at)) AS time, toString(toUnixTimestamp(toStartOfDay(at, '${timeZone}'))) AS start
         FROM sales ORDER BY at`,
      );
      expect(begins.map(({ time, start }) => [Number(time), Number(start) * 1_000])).toEqual(
        times.map((time) => [time, dayOf(time).start]),
      );
    },
  );
});
