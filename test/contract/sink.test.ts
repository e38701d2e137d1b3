import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { c } from "../../src/dsl/columns.ts";
import { clickhouse } from "../../src/dsl/sinks.ts";
import { defineTable } from "../../src/dsl/table.ts";
import type { ClickHouseSinkPlan } from "../../src/plan/plan.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { createClickHouseSink } from "../../src/sinks/clickhouse/sink.ts";
import { createMemorySink } from "../../src/sinks/memory.ts";
import type { Sink } from "../../src/sinks/port.ts";
import { clickhouseDatabase, unique } from "../support/services.ts";

const tableNamed = (name: string) =>
  defineTable(name, {
    columns: { event_id: c.uuid(), user_id: c.string(), at: c.dateTime64(3), note: c.string().default("none") },
    orderBy: ["user_id", "at", "event_id"],
  });

/** One kind of sink, and the hands that move the world behind it. */
interface Target {
  readonly sink: Sink;
  /** Ids that are there, sorted. */
  ids(): Promise<readonly string[]>;
  /** From now on rows of users whose name begins so are refused by the target itself. */
  refuse(prefix: string): Promise<void>;
  /** From now on the target is set up wrongly. */
  breakSchema(): Promise<void>;
}

interface Options {
  readonly signal: AbortSignal;
  /** The target does not answer until the signal aborts. */
  readonly unreachable?: boolean;
}

const at = Date.UTC(2026, 4, 1);
const makeRows = (count: number, prefix = "user") =>
  Array.from({ length: count }, (_, i) => ({
    event_id: randomUUID() as string,
    user_id: `${prefix}-${i}`,
    at: new Date(at + i),
  }));
const idsOf = (rows: readonly { readonly event_id: string }[]) => rows.map((row) => row.event_id).sort();

function sinkContract(name: string, open: (options: Options) => Promise<Target>): void {
  describe(`the ${name} sink`, () => {
    const forever = () => new AbortController().signal;

    test("confirms rows when they are there", async () => {
      const { sink, ids } = await open({ signal: forever() });
      const rows = makeRows(100);
      expect((await sink.write(rows, 10_000)).rejected).toEqual([]);
      expect(await ids()).toEqual(idsOf(rows));
      await sink.close();
    });

    test("settles each of many writes at once by itself, with its own indexes", async () => {
      const { sink, ids } = await open({ signal: forever() });
      const writes = Array.from({ length: 20 }, (_, i) => {
        const rows = makeRows(50, `writer-${i}`);
        rows[i] = { ...rows[i]!, event_id: "no uuid" };
        return rows;
      });
      const results = await Promise.all(writes.map((rows) => sink.write(rows, 5_000)));
      results.forEach(({ rejected }, i) => expect(rejected).toEqual([{ row: i, reason: "event_id is not a UUID" }]));
      expect(await ids()).toEqual(idsOf(writes.flat().filter((row) => row.event_id !== "no uuid")));
      await sink.close();
    });

    test("rejects rows that the target refuses, and keeps their siblings", async () => {
      const { sink, ids, refuse } = await open({ signal: forever() });
      await refuse("bad");
      const rows = [...makeRows(30), ...makeRows(2, "bad"), ...makeRows(30)];
      const { rejected } = await sink.write(rows, 6_000);
      expect(rejected.map(({ row }) => row)).toEqual([30, 31]);
      expect(new Set(rejected.map(({ reason }) => reason)).size).toBe(1);
      expect(await ids()).toEqual(idsOf(rows.filter((_, i) => i !== 30 && i !== 31)));
      await sink.close();
    });

    test("has one row for a row that is written again", async () => {
      const { sink, ids } = await open({ signal: forever() });
      const rows = makeRows(20);
      await Promise.all([sink.write(rows, 2_000), sink.write(rows, 2_000)]);
      await sink.write(rows.slice(5), 1_500);
      expect(await ids()).toEqual(idsOf(rows));
      await sink.close();
    });

    test("takes a write of no rows", async () => {
      const { sink } = await open({ signal: forever() });
      expect((await sink.write([], 0)).rejected).toEqual([]);
      expect(sink.inFlightRows).toBe(0);
      await sink.close();
    });

    test("counts the rows in flight, and none once it is closed", async () => {
      const { sink, ids } = await open({ signal: forever() });
      const [first, second] = [makeRows(10), makeRows(15)];
      const pending = Promise.all([sink.write(first, 1_000), sink.write(second, 1_500)]);
      expect(sink.inFlightRows).toBe(25);
      await sink.close();
      expect(sink.inFlightRows).toBe(0);
      expect(await ids()).toEqual(idsOf([...first, ...second]));
      await pending;
    });

    test("may be closed twice, and takes no rows afterwards", async () => {
      const { sink } = await open({ signal: forever() });
      await Promise.all([sink.close(), sink.close()]);
      await expect(sink.write(makeRows(1), 100)).rejects.toBeInstanceOf(ConfigError);
    });

    test("stops its writers with a ConfigError when the target is set up wrongly", async () => {
      const { sink, breakSchema } = await open({ signal: forever() });
      await breakSchema();
      const writes = [sink.write(makeRows(5), 500), sink.write(makeRows(5), 500)];
      for (const write of writes) await expect(write).rejects.toMatchObject({ name: "ConfigError", code: "clickhouse.schema" });
      expect(sink.inFlightRows).toBe(0);
      await sink.close();
    });

    test("goes on trying while the target is away, and throws the abort's reason when it is told to stop", async () => {
      const controller = new AbortController();
      const { sink } = await open({ signal: controller.signal, unreachable: true });
      const reason = new Error("shutting down");
      const writes = [sink.write(makeRows(5), 500), sink.write(makeRows(5), 500)];
      const settled = Promise.allSettled(writes);
      await new Promise((resolve) => setImmediate(resolve));
      expect(sink.inFlightRows).toBe(10);
      controller.abort(reason);
      for (const outcome of await settled) expect(outcome).toEqual({ status: "rejected", reason });
      await expect(sink.write(makeRows(1), 100)).rejects.toBe(reason);
      expect(sink.inFlightRows).toBe(0);
      await sink.close();
    });
  });
}

sinkContract("in-memory", async ({ signal, unreachable }) => {
  const sink = createMemorySink({ table: tableNamed("memory").plan, signal });
  if (unreachable) sink.failNext(Number.POSITIVE_INFINITY);
  return {
    sink,
    ids: async () => sink.rows.map((row) => String(row.event_id)).sort(),
    refuse: async (prefix) => sink.rejectRows((row) => (String(row.user_id).startsWith(prefix) ? "refused" : undefined)),
    breakSchema: async () => sink.stopWith(new ConfigError("clickhouse.schema", "the table is not the one that is defined")),
  };
});

let client: ClickHouse;
let address: { readonly url: string; readonly database: string };
beforeAll(async () => {
  address = await clickhouseDatabase();
  client = createClickHouse(address);
});
afterAll(() => client.close());

sinkContract("ClickHouse", async ({ signal, unreachable }) => {
  const name = unique("rows_");
  const table = tableNamed(name);
  await applyMigration(await planMigration([table.plan], client), client);
  const plan = clickhouse(table, { minIntervalMs: 10, maxRows: 64, retry: { initialMs: 5, maxMs: 20 } })
    .plan as ClickHouseSinkPlan;
  // Port 9 is the discard service's: nothing listens there.
  const used = unreachable ? createClickHouse({ ...address, url: "http://127.0.0.1:9" }) : client;
  return {
    sink: createClickHouseSink(plan, { client: used, signal }),
    ids: async () => (await client.query<{ id: string }>(`SELECT event_id AS id FROM ${name} FINAL`)).map(({ id }) => id).sort(),
    refuse: (prefix) => client.run(`ALTER TABLE ${name} ADD CONSTRAINT no_bad CHECK user_id NOT LIKE '${prefix}%'`),
    breakSchema: () => client.run(`ALTER TABLE ${name} DROP COLUMN note`),
  };
});
