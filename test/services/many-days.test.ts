import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { c } from "../../src/dsl/columns.ts";
import { defineRollup, rollups } from "../../src/dsl/rollup.ts";
import { clickhouse } from "../../src/dsl/sinks.ts";
import { defineTable } from "../../src/dsl/table.ts";
import type { ClickHouseSinkPlan } from "../../src/plan/plan.ts";
import { bucketsOf } from "../../src/plan/rollup.ts";
import { createMemoryMarks } from "../../src/rollup/memory.ts";
import { refreshRollup } from "../../src/rollup/refresh.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { createTable } from "../../src/sinks/clickhouse/ddl.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { maxPartitionsPerInsert } from "../../src/sinks/clickhouse/partitions.ts";
import { createRollupStore } from "../../src/sinks/clickhouse/rollup-rows.ts";
import { createClickHouseSink } from "../../src/sinks/clickhouse/sink.ts";
import { clickhouseDatabase } from "../support/services.ts";

const [days, perDay, perWrite] = [390, 50, 50];
const dayMs = 86_400_000;
const table = defineTable("year_of_logins", {
  columns: { event_id: c.uuid(), user_id: c.string(), at: c.dateTime64(3) },
  orderBy: ["user_id", "at", "event_id"],
  partitionBy: { unit: "day", column: "at" },
});

let client: ClickHouse;
beforeAll(async () => {
  client = createClickHouse(await clickhouseDatabase());
  await client.run(createTable(table.plan));
});
afterAll(() => client.close());

const logins = defineRollup("logins_by_hour_of_a_year", {
  from: table,
  time: "at",
  every: "hour",
  columns: { logins: rollups.count(), users: rollups.uniqExact("user_id") },
});

test("390 days of rows that come shuffled land whole, and are no more inserts and parts than the days need", async () => {
  const start = Math.floor(Date.now() / dayMs - days) * dayMs;
  // 7,919 is prime: neighbours lie weeks apart, and each write has rows of 50 days.
  const rows = Array.from({ length: days * perDay }, (_, n) => {
    const place = (n * 7_919) % (days * perDay);
    return { event_id: randomUUID() as string, user_id: `user-${n % 500}`, at: new Date(start + (place / perDay) * dayMs) };
  });
  let inserts = 0;
  const counting: ClickHouse = {
    ...client,
    insertNative: (...insert) => {
      inserts++;
      return client.insertNative(...insert);
    },
  };
  const sink = createClickHouseSink(clickhouse(table).plan as ClickHouseSinkPlan, {
    client: counting,
    signal: new AbortController().signal,
  });
  const writes = Array.from({ length: rows.length / perWrite }, (_, i) => rows.slice(i * perWrite, (i + 1) * perWrite));
  const results = await Promise.all(writes.map((write) => sink.write(write, write.length * 60)));
  await sink.close();

  expect(results.flatMap(({ rejected }) => rejected)).toEqual([]);
  expect(inserts).toBeLessThanOrEqual(Math.ceil(days / maxPartitionsPerInsert) + 1);
  const [landed] = await client.query(
    "SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(toDate(at))) AS days FROM year_of_logins",
  );
  expect(landed).toEqual({ rows: days * perDay, days });
  const [parts] = await client.query<{ parts: number }>(
    "SELECT toUInt32(count()) AS parts FROM system.parts WHERE database = currentDatabase() AND table = 'year_of_logins' AND active",
  );
  expect(parts?.parts).toBe(days);

  // What they leave to a rollup is counted some days at a time.
  for (const step of await planMigration([table.plan, logins.plan], client)) await applyMigration([step], client);
  await client.run(`TRUNCATE TABLE ${logins.plan.name}_rows`);
  const marks = createMemoryMarks(systemClock);
  await marks.mark(logins.plan.name, bucketsOf(logins.plan, rows));
  const dirty = (await marks.dirty(logins.plan.name)).length;
  let counts = 0;
  const run: ClickHouse["run"] = (sql, call) => {
    if (sql.startsWith("INSERT")) counts++;
    return client.run(sql, call);
  };
  const store = createRollupStore({ ...client, run });
  expect(await refreshRollup(logins.plan, { marks, store, clock: systemClock })).toBe(dirty);
  expect(counts).toBeLessThan(days / 2);
  expect(await marks.dirty(logins.plan.name)).toEqual([]);
  const counted = `SELECT hour, toUInt64(count()) AS logins, uniqExact(user_id) AS users FROM (SELECT toStartOfHour(toDateTime(at, 'UTC')) AS hour, user_id FROM ${table.plan.name}) GROUP BY hour ORDER BY hour`;
  expect(await client.query(`SELECT * FROM ${logins.plan.name} ORDER BY hour`)).toEqual(await client.query(counted));
}, 120_000);
