import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { c } from "../../src/dsl/columns.ts";
import { clickhouse } from "../../src/dsl/sinks.ts";
import { defineTable, type Table } from "../../src/dsl/table.ts";
import type { ClickHouseSinkPlan } from "../../src/plan/plan.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { createClickHouseSink } from "../../src/sinks/clickhouse/sink.ts";
import { atPort } from "../support/addresses.ts";
import { logBook } from "../support/log-book.ts";
import { clickhouseDatabase } from "../support/services.ts";

let client: ClickHouse;
let address: { readonly url: string; readonly database: string };

beforeAll(async () => {
  address = await clickhouseDatabase();
  client = createClickHouse(address);
});
afterAll(() => client.close());

const logins = (name: string) =>
  defineTable(name, {
    columns: { event_id: c.uuid(), user_id: c.string(), at: c.dateTime64(3), country: c.string().lowCardinality().default("") },
    orderBy: ["user_id", "at", "event_id"],
    partitionBy: { unit: "day", column: "at" },
  });

const start = Date.UTC(2026, 2, 1);
const loginRows = (count: number, stepMs = 1_000) =>
  Array.from({ length: count }, (_, i) => ({
    event_id: randomUUID() as string,
    user_id: `user-${i}`,
    at: new Date(start + i * stepMs),
  }));

const migrate = async (...tables: readonly Table<never>[]) =>
  applyMigration(
    await planMigration(
      tables.map(({ plan }) => plan),
      client,
    ),
    client,
  );
const planOf = (table: Table<never>, options = {}) =>
  clickhouse(table, { minIntervalMs: 0, retry: { initialMs: 20, maxMs: 100 }, ...options }).plan as ClickHouseSinkPlan;
const countOf = async (table: string) =>
  Number((await client.query<{ n: string }>(`SELECT count() AS n FROM ${table} FINAL`))[0]?.n);

describe("values", () => {
  const table = defineTable("every_type", {
    columns: {
      id: c.uint32(),
      uuid: c.uuid(),
      text: c.string(),
      low: c.string().lowCardinality(),
      low_null: c.string().lowCardinality().nullable(),
      flag: c.bool(),
      u8: c.uint8(),
      u16: c.uint16(),
      u64: c.uint64(),
      i8: c.int8(),
      i16: c.int16(),
      i32: c.int32(),
      i64: c.int64(),
      f32: c.float32(),
      f64: c.float64(),
      day: c.date(),
      second: c.dateTime(),
      t0: c.dateTime64(0),
      t1: c.dateTime64(1),
      t3: c.dateTime64(3),
      t6: c.dateTime64(6),
      t9: c.dateTime64(9),
      kind: c.enum(["a", "it's", "back\\slash"]),
      wide: c.enum(Array.from({ length: 300 }, (_, i) => `name-${i}`)),
      texts: c.array(c.string()),
      nested: c.array(c.array(c.uint16())).default([]),
      null_text: c.string().nullable(),
      null_uuid: c.uuid().nullable(),
      null_time: c.dateTime64(3).nullable(),
      null_number: c.float64().nullable(),
      null_kind: c.enum(["x", "y"]).nullable(),
      with_default: c.int32().default(-7).codec("ZSTD(1)"),
      day_default: c.date().default(new Date("2020-02-29")),
      time_default: c.dateTime64(3).default(new Date("2020-02-29T01:02:03.456Z")),
    },
    orderBy: ["id"],
  });
  const full = {
    id: 1,
    uuid: "0123ABCD-4567-89ab-cdef-0123456789ab",
    text: "zażółć 🦊 \u0000 'quoted' \\ tab\t",
    low: "x".repeat(200),
    low_null: "ż",
    flag: true,
    u8: 255,
    u16: 65_535,
    u64: 18_446_744_073_709_551_615n,
    i8: -128,
    i16: -32_768,
    i32: -2_147_483_648,
    i64: -9_223_372_036_854_775_808n,
    f32: 1.5,
    f64: -1e-300,
    day: new Date("2149-06-06T23:00:00Z"),
    second: new Date("2106-02-07T06:28:15Z"),
    t0: new Date("1900-01-01T00:00:00Z"),
    t1: new Date("1969-12-31T23:59:59.900Z"),
    t3: new Date("2299-12-31T23:59:59.999Z"),
    t6: new Date("2299-12-31T23:59:59.999Z"),
    t9: new Date("1900-01-01T00:00:00.001Z"),
    kind: "it's" as const,
    wide: "name-299",
    texts: ["", "b", "ć"],
    nested: [[], [1, 65_535], [2]],
    null_text: "set",
    null_uuid: "ffffffff-ffff-ffff-ffff-ffffffffffff",
    null_time: new Date("2026-03-01T00:00:00.001Z"),
    null_number: 0.5,
    null_kind: "y" as const,
    with_default: 5,
    day_default: new Date("2026-01-01"),
    time_default: new Date("2026-01-01T00:00:00.000Z"),
  };
  const bare = {
    ...full,
    id: 2,
    text: "half \ud800 pair",
    flag: false,
    u64: 9_007_199_254_740_991,
    i64: -9_007_199_254_740_991,
    t9: new Date("2262-04-11T23:47:16.854Z"),
    kind: "back\\slash" as const,
    texts: [],
    low_null: undefined,
    nested: undefined,
    null_text: null,
    null_uuid: null,
    null_time: undefined,
    null_number: null,
    null_kind: null,
    with_default: undefined,
    day_default: undefined,
    time_default: undefined,
  };

  test("come back as they were written, whatever the column's type", async () => {
    await migrate(table);
    const sink = createClickHouseSink(planOf(table), { client, signal: new AbortController().signal });
    expect(await sink.write([full, bare], 2_000)).toEqual({ rejected: [] });
    await sink.close();
    const [first, second] = await client.query<Record<string, unknown>>(
      "SELECT *, length(text) AS bytes FROM every_type ORDER BY id SETTINGS output_format_json_quote_64bit_integers = 1",
    );
    expect(first).toEqual({
      ...full,
      bytes: String(Buffer.byteLength(full.text)),
      uuid: full.uuid.toLowerCase(),
      u64: "18446744073709551615",
      i64: "-9223372036854775808",
      day: "2149-06-06",
      second: "2106-02-07 06:28:15",
      t0: "1900-01-01 00:00:00",
      t1: "1969-12-31 23:59:59.9",
      t3: "2299-12-31 23:59:59.999",
      t6: "2299-12-31 23:59:59.999000",
      t9: "1900-01-01 00:00:00.001000000",
      null_time: "2026-03-01 00:00:00.001",
      day_default: "2026-01-01",
      time_default: "2026-01-01 00:00:00.000",
    });
    expect(second).toMatchObject({
      text: "half \ufffd pair",
      flag: false,
      u64: "9007199254740991",
      i64: "-9007199254740991",
      t9: "2262-04-11 23:47:16.854000000",
      kind: "back\\slash",
      texts: [],
      nested: [],
      low_null: null,
      null_text: null,
      null_uuid: null,
      null_time: null,
      null_number: null,
      null_kind: null,
      with_default: -7,
      day_default: "2020-02-29",
      time_default: "2020-02-29 01:02:03.456",
    });
  });

  test("that are left out by old rows have the column's default in the table too", async () => {
    await client.run("INSERT INTO every_type (id, uuid) VALUES (3, generateUUIDv4())");
    const [row] = await client.query("SELECT with_default, day_default, time_default, nested FROM every_type WHERE id = 3");
    expect(row).toEqual({ with_default: -7, day_default: "2020-02-29", time_default: "2020-02-29 01:02:03.456", nested: [] });
  });

  test("need no migration once their table is there", async () => {
    expect(await planMigration([table.plan], client)).toEqual([]);
  });
});

describe("rows", () => {
  test("that ClickHouse refuses are found among thousands, and their siblings land", async () => {
    const table = logins("constrained");
    await migrate(table);
    await client.run("ALTER TABLE constrained ADD CONSTRAINT no_poison CHECK user_id NOT LIKE 'poison%'");
    const rows = loginRows(3_000);
    const bad = [0, 1_234, 2_999];
    for (const index of bad) rows[index] = { ...rows[index]!, user_id: `poison-${index}` };
    rows[77] = { ...rows[77]!, event_id: "not a uuid" };
    const sink = createClickHouseSink(planOf(table), { client, signal: new AbortController().signal });
    const { rejected } = await sink.write(rows, 300_000);
    await sink.close();
    expect([...rejected].sort((a, b) => a.row - b.row)).toEqual([
      { row: 0, reason: "clickhouse 469 VIOLATED_CONSTRAINT: constraint no_poison" },
      { row: 77, reason: "event_id is not a UUID" },
      { row: 1_234, reason: "clickhouse 469 VIOLATED_CONSTRAINT: constraint no_poison" },
      { row: 2_999, reason: "clickhouse 469 VIOLATED_CONSTRAINT: constraint no_poison" },
    ]);
    expect(await countOf("constrained")).toBe(2_996);
  });

  test("of 150 days land in one write", async () => {
    const table = logins("many_days");
    await migrate(table);
    const rows = loginRows(1_500, 86_400_000 / 10);
    const sink = createClickHouseSink(planOf(table), { client, signal: new AbortController().signal });
    expect(await sink.write(rows, 150_000)).toEqual({ rejected: [] });
    await sink.close();
    const [answer] = await client.query(
      "SELECT toString(uniqExact(event_id)) AS ids, toString(uniqExact(toDate(at))) AS days FROM many_days",
    );
    expect(answer).toEqual({ ids: "1500", days: "150" });
  });

  test("that are written twice are one row, and no block of them is taken for a repeat by the server", async () => {
    const table = logins("twice");
    await migrate(table);
    const rows = loginRows(500);
    const sink = createClickHouseSink(planOf(table), { client, signal: new AbortController().signal });
    for (let i = 0; i < 3; i++) await sink.write(rows, 50_000);
    await sink.close();
    const [answer] = await client.query("SELECT toString(count()) AS stored FROM twice");
    expect(answer).toEqual({ stored: "1500" });
    expect(await countOf("twice")).toBe(500);
  });
});

describe("a fault of the engine", () => {
  test("that keeps it away loses nothing: the same rows are tried until it is back", async () => {
    const table = logins("away");
    await migrate(table);
    const proxy = await startProxy(address.url);
    const through = createClickHouse({ url: proxy.url, database: address.database });
    const { logger, lines } = logBook();
    const sink = createClickHouseSink(planOf(table), { client: through, signal: new AbortController().signal, logger });
    const rows = loginRows(2_000);
    await sink.write(rows.slice(0, 500), 50_000);
    await proxy.stop();
    const pending = [sink.write(rows.slice(500, 1_000), 50_000), sink.write(rows.slice(1_000), 100_000)];
    await expect.poll(() => lines.length).toBeGreaterThan(3);
    // However often it is tried, the outage is warned of once.
    expect(lines.filter((line) => line.startsWith("warn"))).toHaveLength(1);
    expect(sink.inFlightRows).toBe(1_500);
    expect(await countOf("away")).toBe(500);
    await proxy.start();
    expect(await Promise.all(pending)).toEqual([{ rejected: [] }, { rejected: [] }]);
    // And once it is over.
    expect(lines.filter((line) => line.startsWith("info"))).toEqual(["info: ClickHouse answers again"]);
    expect(sink.inFlightRows).toBe(0);
    expect(await countOf("away")).toBe(2_000);
    await sink.close();
    await through.close();
    await proxy.stop();
  });

  test("that leaves an insert without an answer is given up in time and repeated", async () => {
    const table = logins("half_open");
    await migrate(table);
    const proxy = await startProxy(address.url);
    const through = createClickHouse({ url: proxy.url, database: address.database });
    const warnings: object[] = [];
    const logger = { debug: () => {}, info: () => {}, error: () => {}, warn: (fields: object) => warnings.push(fields) };
    const sink = createClickHouseSink(planOf(table, { timeoutMs: 2_000 }), {
      client: through,
      signal: new AbortController().signal,
      logger,
    });
    await sink.write(loginRows(10), 1_000);
    proxy.swallowAnswers(true);
    const pending = sink.write(loginRows(100), 10_000);
    await expect.poll(() => warnings.length, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(warnings[0]).toMatchObject({ error: "insert into half_open: no answer within 2000 ms" });
    proxy.swallowAnswers(false);
    expect(await pending).toEqual({ rejected: [] });
    expect(await countOf("half_open")).toBe(110);
    await sink.close();
    await through.close();
    await proxy.stop();
  });

  test("in the schema stops the writer with a way out, and rejects no row", async () => {
    const table = logins("wrong_schema");
    const signal = new AbortController().signal;
    const missing = createClickHouseSink(planOf(table), { client, signal });
    await expect(missing.write(loginRows(10), 1_000)).rejects.toMatchObject({
      name: "ConfigError",
      code: "clickhouse.schema",
      hint: "Run `headrace migrate --apply`, then start the pipeline again.",
    });
    await migrate(table);
    expect(await missing.write(loginRows(10), 1_000)).toEqual({ rejected: [] });
    await client.run("ALTER TABLE wrong_schema DROP COLUMN country");
    await expect(missing.write(loginRows(10), 1_000)).rejects.toBeInstanceOf(ConfigError);
    await missing.close();
  });

  test("in the type of a column stops the writer too", async () => {
    const table = logins("wrong_type");
    await client.run(
      "CREATE TABLE wrong_type (event_id UUID, user_id Array(UInt8), at DateTime64(3, 'UTC'), country String) ENGINE = MergeTree ORDER BY at",
    );
    const sink = createClickHouseSink(planOf(table), { client, signal: new AbortController().signal });
    await expect(sink.write(loginRows(10), 1_000)).rejects.toMatchObject({
      code: "clickhouse.schema",
      message: "wrong_type.user_id is Array(UInt8) there, and is defined as String",
    });
    await sink.close();
  });
});

/** A way to the engine that can be cut, and that can keep answers to itself. */
async function startProxy(address: string) {
  const target = new URL(address);
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = 0;
  let swallowing = false;
  const start = async () => {
    server = createServer((incoming) => {
      const outgoing = connect(Number(target.port), target.hostname);
      for (const socket of [incoming, outgoing]) {
        sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          sockets.delete(socket);
          incoming.destroy();
          outgoing.destroy();
        });
      }
      incoming.pipe(outgoing);
      outgoing.on("data", (chunk) => {
        if (!swallowing) incoming.write(chunk);
      });
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
  };
  const stop = async () => {
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
    server = undefined;
  };
  await start();
  return { url: atPort(address, port), start, stop, swallowAnswers: (on: boolean) => (swallowing = on) };
}
