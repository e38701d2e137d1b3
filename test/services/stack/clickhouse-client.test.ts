import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type ClickHouseClient, ClickHouseError, ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmbeddedClickHouse, startEmbeddedClickHouse } from "./embedded-clickhouse.ts";

let server: EmbeddedClickHouse;
let client: ClickHouseClient;

beforeAll(async () => {
  server = await startEmbeddedClickHouse();
  client = createClient({ url: server.url, log: { level: ClickHouseLogLevel.OFF } });
});
afterAll(async () => {
  await client.close();
  await server.stop();
});

async function table(name: string): Promise<string> {
  await client.command({ query: `CREATE TABLE ${name} (id UInt32, name String) ENGINE = MergeTree ORDER BY id` });
  return name;
}

const rowsOf = async (name: string) =>
  (await client.query({ query: `SELECT * FROM ${name} ORDER BY id`, format: "JSONEachRow" })).json();

test("the client pings", async () => {
  expect(await client.ping()).toEqual({ success: true });
  expect(await client.ping({ select: true })).toEqual({ success: true });
});

test("the client inserts an array and a stream, and learns how many rows it was", async () => {
  const name = await table("inserts");
  const first = await client.insert({ table: name, values: [{ id: 1, name: "one" }], format: "JSONEachRow" });
  expect(first.summary?.written_rows).toBe("1");
  const rows = Readable.from([
    { id: 2, name: "two;" },
    { id: 3, name: "três" },
  ]);
  await client.insert({ table: name, values: rows, format: "JSONEachRow", columns: ["id", "name"] });
  await client.insert({ table: name, values: [], format: "JSONEachRow" });
  await client.insert({ table: name, values: Readable.from(["4,four\n"], { objectMode: false }), format: "CSV" });
  expect(await rowsOf(name)).toEqual([
    { id: 1, name: "one" },
    { id: 2, name: "two;" },
    { id: 3, name: "três" },
    { id: 4, name: "four" },
  ]);
});

test("a Native block that the client read goes back in through exec, byte for byte", async () => {
  const name = await table("native");
  const read = await client.exec({
    query: "SELECT toUInt32(number) AS id, '\r\n\t' || toString(number) AS name FROM numbers(70000) FORMAT Native",
  });
  const block = await buffer(read.stream);
  const written = await client.exec({
    query: `INSERT INTO ${name} SETTINGS async_insert = 0 FORMAT Native`,
    values: Readable.from([block]),
  });
  written.stream.resume();
  expect(written.summary?.written_rows).toBe("70000");
  const check = await client.query({
    query: `SELECT count() AS rows, sum(id) AS ids, any(length(name)) > 3 AS full FROM ${name}`,
    format: "JSONEachRow",
  });
  expect(await check.json()).toEqual([{ rows: 70_000, ids: 2_449_965_000, full: 1 }]);
});

test("parameters of every type arrive as they were given", async () => {
  const query_params = {
    text: "it's a\ttab\n\\",
    list: ["a'b", "c"],
    when: new Date(1_764_000_000_123),
    none: null,
    table: "one",
  };
  const query = `SELECT {text:String} AS text, {list:Array(String)} AS list, toUnixTimestamp64Milli({when:DateTime64(3)}) AS at,
    {none:Nullable(String)} AS none FROM system.{table:Identifier}`;
  for (const use_multipart_params of [false, true]) {
    const result = await client.query({ query, query_params, use_multipart_params, format: "JSONEachRow" });
    expect(await result.json()).toEqual([
      { text: query_params.text, list: query_params.list, at: 1_764_000_000_123, none: null },
    ]);
  }
});

test("settings of one call are not there in the next", async () => {
  const query = "SELECT getSetting('max_block_size') AS size";
  const size = async (clickhouse_settings = {}) =>
    (await client.query({ query, clickhouse_settings, format: "JSONEachRow" })).json<{ size: number }>();
  const before = await size();
  expect(await size({ max_block_size: "777" })).toEqual([{ size: 777 }]);
  for (let i = 0; i < 10; i += 1) expect(await size()).toEqual(before);
});

test("errors have the server's code and name", async () => {
  const failing = client.query({ query: "SELECT * FROM nowhere" });
  await expect(failing).rejects.toThrow(ClickHouseError);
  await expect(failing).rejects.toMatchObject({ code: "60", type: "UNKNOWN_TABLE" });
  // The client takes the first bracketed word in capitals for the name, so this statement has none in its error.
  await expect(client.command({ query: "selec 1" })).rejects.toMatchObject({ code: "62", type: "SYNTAX_ERROR" });
  const name = await table("refuses");
  await expect(client.insert({ table: name, values: [{ id: "x" }], format: "JSONEachRow" })).rejects.toMatchObject({
    code: "27",
  });
  await expect(client.query({ query: "SELECT 1", session_id: "s" })).rejects.toMatchObject({ code: "48" });
});

test("rows come in a stream, and an error in the middle of it comes with its code", async () => {
  const query = "SELECT number, throwIf(number = {bad:UInt64}) FROM numbers(500000)";
  const read = async (bad: number) => {
    let rows = 0;
    const result = await client.query({ query, query_params: { bad }, format: "JSONEachRow" });
    for await (const group of result.stream()) rows += group.length;
    return rows;
  };
  expect(await read(600_000)).toBe(500_000);
  await expect(read(400_000)).rejects.toMatchObject({ code: "395" });
});

test("a client of a database works in it, with compression both ways", async () => {
  await client.command({ query: "CREATE DATABASE shop" });
  const shop = createClient({ url: server.url, database: "shop", compression: { request: true, response: true } });
  try {
    await shop.command({ query: "CREATE TABLE carts (id UInt32) ENGINE = MergeTree ORDER BY id" });
    await shop.insert({ table: "carts", values: Array.from({ length: 5_000 }, (_, id) => ({ id })), format: "JSONEachRow" });
    const result = await shop.query({
      query: "SELECT database, name, total_rows FROM system.tables WHERE name = 'carts'",
      format: "JSONEachRow",
    });
    expect(await result.json()).toEqual([{ database: "shop", name: "carts", total_rows: 5_000 }]);
    expect(await (await shop.query({ query: "SELECT id FROM carts ORDER BY id", format: "JSONEachRow" })).json()).toHaveLength(
      5_000,
    );
  } finally {
    await shop.close();
  }
});

test("an insert that is aborted on its way inserts nothing", async () => {
  const name = await table("aborted");
  const abort = new AbortController();
  const values = new Readable({ objectMode: true, read() {} });
  const inserting = client.insert({ table: name, values, format: "JSONEachRow", abort_signal: abort.signal });
  values.push({ id: 1, name: "one" });
  await client.ping();
  abort.abort();
  await expect(inserting).rejects.toThrow();
  expect(await rowsOf(name)).toEqual([]);
});
