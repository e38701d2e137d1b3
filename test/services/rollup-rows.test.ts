import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { c } from "../../src/dsl/columns.ts";
import { defineRollup, type Rollup, rollups } from "../../src/dsl/rollup.ts";
import { clickhouse } from "../../src/dsl/sinks.ts";
import { defineTable } from "../../src/dsl/table.ts";
import type { ClickHouseSinkPlan } from "../../src/plan/plan.ts";
import { byDay } from "../../src/plan/rollup.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { createRollupStore } from "../../src/sinks/clickhouse/rollup-rows.ts";
import { createClickHouseSink } from "../../src/sinks/clickhouse/sink.ts";
import { clickhouseDatabase } from "../support/services.ts";

let client: ClickHouse;
beforeAll(async () => {
  client = createClickHouse(await clickhouseDatabase());
});
afterAll(() => client.close());

const hourMs = 3_600_000;
const noon = Date.UTC(2026, 2, 1, 12);
const columns = {
  event_id: c.uuid(),
  user_id: c.string(),
  outcome: c.enum(["success", "failure"]),
  country: c.string().lowCardinality().default(""),
  cents: c.int32().default(0),
  note: c.uint16().nullable(),
  ratio: c.float64().default(0),
  at: c.dateTime64(3),
};
const options = { orderBy: ["user_id", "at", "event_id"], partitionBy: { unit: "day", column: "at" } } as const;
const tableOf = (name: string) => defineTable(name, { columns, ...options });
type Table = ReturnType<typeof tableOf>;

const everything = (name: string, from: Table) =>
  defineRollup(name, {
    from,
    time: "at",
    every: "hour",
    where: "user_id != 'nobody'",
    groupBy: ["country", "outcome"],
    columns: {
      events: rollups.count(),
      large: rollups.count({ where: "cents > 100" }),
      cents: rollups.sum("cents"),
      notes: rollups.sum("note"),
      mean: rollups.avg("note"),
      least: rollups.min("note"),
      last: rollups.max("at", { where: "cents > 100" }),
      users: rollups.uniqExact("user_id"),
      median: rollups.quantile("cents", 0.5),
      best: rollups.max("outcome"),
    },
  });
/** The same by plain SQL, over rows that are there once. */
const truthOf = (table: Table) => `
  SELECT toStartOfHour(at) AS hour, country, outcome, count() AS events, countIf(source.cents > 100) AS large,
    sum(source.cents) AS cents, toUInt64(ifNull(sum(note), 0)) AS notes, avg(note) AS mean, min(note) AS least,
    maxOrNullIf(at, source.cents > 100) AS last, uniqExact(user_id) AS users, quantileExact(0.5)(source.cents) AS median,
    max(toString(outcome)) AS best
  FROM ${table.plan.name} AS source FINAL WHERE user_id != 'nobody' GROUP BY hour, country, outcome ORDER BY ALL`;

const migrate = async (...objects: readonly { readonly plan: Table["plan"] | Rollup["plan"] }[]) => {
  const plans = objects.map(({ plan }) => plan);
  const steps = await planMigration(plans, client);
  await applyMigration(steps, client);
  expect(await planMigration(plans, client)).toEqual([]);
  return steps.map(({ kind }) => kind);
};

const write = async (table: Table, rows: readonly object[]) => {
  const plan = clickhouse(table, { minIntervalMs: 0 }).plan as ClickHouseSinkPlan;
  const sink = createClickHouseSink(plan, { client, signal: new AbortController().signal });
  const { rejected } = await sink.write(rows, rows.length * 100);
  await sink.close();
  expect(rejected).toEqual([]);
};

const rowOf = (n: number, at = noon + n * 60_000) => ({
  event_id: randomUUID() as string,
  user_id: n % 11 === 0 ? "nobody" : `user-${n % 7}`,
  outcome: n % 3 === 0 ? "failure" : "success",
  country: ["PL", "DE", ""][n % 3],
  cents: (n * 37) % 250,
  note: n % 5 === 0 ? null : n,
  at: new Date(at),
});
const rowsOf = (count: number, at?: number) => Array.from({ length: count }, (_, n) => rowOf(n, at));

const recount = async ({ plan }: Rollup, starts?: readonly number[]) => {
  const store = createRollupStore(client);
  let counted = 0;
  for (const day of byDay(starts ?? (await store.buckets(plan)))) counted += await store.recount(plan, day);
  return counted;
};
const read = (rollup: Rollup) => client.query(`SELECT * FROM ${rollup.plan.name} ORDER BY ALL`);

describe("a rollup", () => {
  test("is filled when it is made, and counts as plain SQL over the rows that are there once", async () => {
    const table = tableOf("filled");
    await migrate(table);
    const rows = [...rowsOf(200), ...rowsOf(100, noon + 30 * hourMs)];
    await write(table, rows);
    await write(table, rows);
    const rollup = everything("filled_by_hour", table);
    expect(await migrate(table, rollup)).toEqual(["create", "recount", "create"]);
    const truth = await client.query(truthOf(table));
    expect(truth.length).toBeGreaterThan(10);
    expect(await read(rollup)).toEqual(truth);
  });

  test("takes late rows and repeats into the buckets that are counted again, and into no other", async () => {
    const table = tableOf("late");
    const rollup = everything("late_by_hour", table);
    await migrate(table, rollup);
    const rows = rowsOf(100);
    await write(table, rows);
    expect(await recount(rollup)).toBe(2);
    await write(table, [...rows, ...rowsOf(50), ...rowsOf(5, noon + 10 * hourMs)]);
    expect(await recount(rollup, [noon, noon + hourMs])).toBe(2);
    const truth = await client.query<{ hour: string }>(truthOf(table));
    expect(await read(rollup)).toEqual(truth.filter(({ hour }) => !hour.includes("22:00")));
    expect(await recount(rollup, [noon + 10 * hourMs])).toBe(1);
    expect(await read(rollup)).toEqual(truth);
  });

  test("has no row of a key that the source has no more, and has it again when it is back", async () => {
    const table = tableOf("vanishing");
    const rollup = everything("vanishing_by_hour", table);
    await migrate(table, rollup);
    const rows = rowsOf(60);
    await write(table, rows);
    await recount(rollup);
    const before = await read(rollup);
    await client.run("ALTER TABLE vanishing DELETE WHERE country = 'PL' SETTINGS mutations_sync = 2");
    await recount(rollup);
    expect(await read(rollup)).toEqual(before.filter((row) => (row as { country: string }).country !== "PL"));
    await client.run("TRUNCATE TABLE vanishing");
    await recount(rollup);
    expect(await read(rollup)).toEqual([]);
    const written = () => client.query("SELECT count() AS n FROM vanishing_by_hour_rows");
    const tombstones = await written();
    await recount(rollup, [noon]);
    expect(await written()).toEqual(tombstones);
    await write(table, rows);
    await recount(rollup);
    expect(await read(rollup)).toEqual(before);
  });

  test("wins over what is there also where the server's clock was put back", async () => {
    const table = tableOf("stepped");
    const rollup = everything("stepped_by_hour", table);
    await migrate(table, rollup);
    await write(table, rowsOf(10));
    await recount(rollup);
    // What a count has left that was made while the clock was a year ahead.
    const ahead = "SELECT * REPLACE (events + 1 AS events, version + toUInt64(365 * 86400 * 1e9) AS version)";
    await client.run(`INSERT INTO stepped_by_hour_rows ${ahead} FROM stepped_by_hour_rows`);
    expect(await read(rollup)).not.toEqual(await client.query(truthOf(table)));
    await recount(rollup);
    expect(await read(rollup)).toEqual(await client.query(truthOf(table)));
  });

  test("keeps what it has of buckets that the source's ttl has begun to delete", async () => {
    const aged = defineTable("aged", { columns, ...options, ttl: { column: "at", days: 400 } });
    const rollup = everything("aged_by_hour", aged);
    await migrate(aged, rollup);
    const today = Date.now() - (Date.now() % hourMs);
    await write(aged, rowsOf(5, today));
    expect(await recount(rollup, [today, today - 401 * 24 * hourMs])).toBe(1);
    expect(await read(rollup)).toEqual(await client.query(truthOf(aged)));
  });

  test("has one row a bucket where it groups by nothing, by minute as by day", async () => {
    const table = tableOf("whole");
    const of = (every: "minute" | "day") =>
      defineRollup(`whole_by_${every}`, { from: table, time: "at", every, columns: { events: rollups.count() } });
    await migrate(table, of("minute"), of("day"));
    await write(table, rowsOf(90));
    await recount(of("minute"));
    await recount(of("day"));
    const events = (name: string) => client.query(`SELECT count() AS buckets, sum(events) AS events FROM ${name}`);
    expect(await events("whole_by_minute")).toEqual([{ buckets: 90, events: 90 }]);
    expect(await events("whole_by_day")).toEqual([{ buckets: 1, events: 90 }]);
  });
});

describe("rows whose time no bucket can begin at", () => {
  test("are in none, neither in their own nor in that of a time that a DateTime takes them for", async () => {
    const table = tableOf("timeless");
    const rollup = everything("timeless_by_hour", table);
    await migrate(table, rollup);
    const near = [
      Date.UTC(2106, 1, 8),
      Date.UTC(2110, 0, 1),
      Date.UTC(2299, 11, 31),
      Date.UTC(1969, 11, 31, 23),
      Date.UTC(1900, 0, 1),
    ];
    await write(
      table,
      near.map((at) => rowOf(1, at)),
    );
    const store = createRollupStore(client);
    expect(await store.buckets(rollup.plan)).toEqual([]);
    const edge = [Date.UTC(1970, 0, 1), Date.UTC(2105, 11, 31, 23)];
    await write(
      table,
      edge.map((at) => rowOf(1, at)),
    );
    expect((await store.buckets(rollup.plan)).toSorted((a, b) => a - b)).toEqual(edge);
    expect(await recount(rollup)).toBe(2);
    expect(await client.query("SELECT toUnixTimestamp(hour) AS hour, events FROM timeless_by_hour ORDER BY hour")).toEqual(
      edge.map((at) => ({ hour: at / 1_000, events: 1 })),
    );
  });
});

describe("a rollup whose definition has changed", () => {
  const table = tableOf("changing");
  const of = (change: Partial<Parameters<typeof defineRollup<Parameters<NonNullable<Table["_row"]>>[0]>>[1]> = {}) =>
    defineRollup("changes", {
      from: table,
      time: "at",
      every: "hour",
      groupBy: ["country"],
      columns: { n: rollups.count() },
      ...change,
    });
  const total = async () => (await client.query<{ n: string }>("SELECT sum(n) AS n FROM changes")).map(({ n }) => Number(n));
  beforeAll(async () => {
    await migrate(table, of());
    await write(table, rowsOf(100));
    await recount(of());
  });

  test("is counted anew in place", async () => {
    expect(await migrate(table, of({ where: "outcome = 'success'" }))).toEqual(["recount", "replace"]);
    expect(await total()).toEqual([66]);
    expect(await migrate(table, of({ columns: { n: rollups.count({ where: "cents > 100" }) } }))).toEqual(["recount", "replace"]);
    const [truth] = await client.query<{ n: string }>("SELECT countIf(cents > 100) AS n FROM changing FINAL");
    expect(await total()).toEqual([Number(truth?.n)]);
  });

  test("has its new columns filled", async () => {
    const wider = of({ columns: { n: rollups.count(), users: rollups.uniqExact("user_id") } });
    expect(await migrate(table, wider)).toEqual(["alter", "recount", "replace"]);
    const [row] = await client.query<{ n: string }>("SELECT max(users) AS n FROM changes");
    expect(Number(row?.n)).toBeGreaterThan(3);
  });

  test.each([
    ["other keys", () => of({ groupBy: ["user_id"] }), "changes_rows is sorted by (hour, country) there, and is defined with"],
    ["other buckets", () => of({ every: "day" }), "changes_rows is sorted by (hour, country) there, and is defined with"],
    ["another type", () => of({ columns: { n: rollups.avg("cents") } }), "changes_rows.n is UInt64 there, and is defined as"],
  ])("to %s is refused, with a way out", async (_, make, sentence) => {
    const steps = await planMigration([table.plan, make().plan], client);
    expect(steps.find(({ kind }) => kind === "refused")?.summary).toContain(sentence);
  });
});
