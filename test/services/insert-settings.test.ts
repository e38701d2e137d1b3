import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { c } from "../../src/dsl/columns.ts";
import { defineTable } from "../../src/dsl/table.ts";
import type { TablePlan } from "../../src/plan/table.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { compileEncoder } from "../../src/sinks/clickhouse/native/encoder.ts";
import { FaultProxy } from "../chaos/proxy.ts";
import { atPort } from "../support/addresses.ts";
import { clickhouseDatabase } from "../support/services.ts";

/** What a server may be set to, each against what an insert needs. */
const hostile = { input_format_skip_unknown_fields: "1", optimize_on_insert: "1", async_insert: "1", insert_deduplicate: "1" };
/** Told to a server that knows it, in the place of `insert_deduplicate`. */
const newer = { deduplicate_insert: "enable" };

let client: ClickHouse;
let contrary: ClickHouse;
let proxy: FaultProxy;
/** What went to the server by way of `contrary`. */
let sent = "";
beforeAll(async () => {
  const address = await clickhouseDatabase();
  client = createClickHouse(address);
  const known = await client.query("SELECT name FROM system.settings WHERE name = 'deduplicate_insert'");
  const settings = Object.entries({ ...hostile, ...(known.length > 0 && newer) });
  const search = settings.map(([name, value]) => `clickhouse_setting_${name}=${value}`).join("&");
  proxy = await FaultProxy.listen(Number(new URL(address.url).port));
  proxy.tap((piece, _, direction) => {
    if (direction === "upstream") sent += piece.toString("latin1");
    return undefined;
  });
  contrary = createClickHouse({ ...address, url: `${atPort(address.url, proxy.port)}/?${search}` });
});
afterAll(async () => {
  await Promise.all([client.close(), contrary.close()]);
  await proxy.close();
});

const columns = { event_id: c.uuid(), n: c.int32() };
const migrate = async ({ plan }: { readonly plan: TablePlan }) => {
  await applyMigration(await planMigration([plan], client), client);
  return plan;
};
const row = (n: number) => ({ event_id: randomUUID() as string, n });
const insert = (plan: TablePlan, rows: readonly object[], encoded = plan) =>
  contrary.insertNative(plan, compileEncoder(encoded)(rows).bytes);
const stored = async ({ name }: TablePlan) =>
  Number((await client.query<{ n: string }>(`SELECT count() AS n FROM ${name}`))[0]?.n);

it("the server of these tests is set against what an insert needs", async () => {
  const names = Object.keys(hostile).map((name) => `'${name}'`);
  const set = await contrary.query<{ name: string; value: string }>(
    `SELECT name, value FROM system.settings WHERE name IN (${names.join()})`,
  );
  expect(Object.fromEntries(set.map(({ name, value }) => [name, value]))).toEqual(hostile);
});

it("a column that the table has no more is refused: its values would be gone without a word", async () => {
  const plan = await migrate(defineTable("narrow", { columns, orderBy: ["event_id"] }));
  const wide = defineTable("narrow", { columns: { ...columns, more: c.string() }, orderBy: ["event_id"] }).plan;
  await expect(insert(plan, [{ ...row(1), more: "of it" }], wide)).rejects.toMatchObject({ code: "clickhouse.schema" });
  expect(await stored(plan)).toBe(0);
});

it("rows of one key go in as they are: views see each, and the last is chosen when they are read", async () => {
  const plan = await migrate(defineTable("twins", { columns, orderBy: ["event_id"] }));
  const one = row(1);
  await insert(plan, [one, { ...one, n: 2 }]);
  expect(await stored(plan)).toBe(2);
});

it("rows are in the table when the insert is confirmed: a server may not put it aside", async () => {
  const plan = await migrate(defineTable("there", { columns, orderBy: ["event_id"] }));
  sent = "";
  await insert(plan, [row(1)]);
  expect(await stored(plan)).toBe(1);
  // The embedded engine puts no insert aside, whatever it is set to: so what it is asked counts as well.
  const [, statement] = /[?&]query=([^& ]*)/.exec(sent) ?? [];
  expect(decodeURIComponent(statement?.replaceAll("+", " ") ?? "")).toMatch(/^INSERT INTO .* SETTINGS .*\basync_insert = 0\b/);
});

it("a block that comes again is not dropped as a repeat: a server that was killed may remember a block whose rows it has not", async () => {
  const plan = await migrate(defineTable("again", { columns, orderBy: ["event_id"], engine: { kind: "mergeTree" } }));
  await client.run("ALTER TABLE again MODIFY SETTING non_replicated_deduplication_window = 100");
  const rows = [row(1)];
  await insert(plan, rows);
  await insert(plan, rows);
  expect(await stored(plan)).toBe(2);
});
