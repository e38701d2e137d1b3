import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { c } from "../../src/dsl/columns.ts";
import { defineTable } from "../../src/dsl/table.ts";
import { type ClickHouse, createClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { base, type Migrations, migrationsOf, options, tableOf } from "../support/migrations.ts";
import { clickhouseDatabase } from "../support/services.ts";

let client: ClickHouse;
let plan: Migrations["plan"];
let migrate: Migrations["migrate"];
let write: Migrations["write"];
beforeAll(async () => {
  client = createClickHouse(await clickhouseDatabase());
  ({ plan, migrate, write } = migrationsOf(client));
});
afterAll(() => client.close());

test("a ttl is lengthened and taken away, and never shortened", async () => {
  const withTtl = (days: number) => defineTable("aging", { columns: base, ...options, ttl: { column: "at", days } });
  await migrate(withTtl(300));
  await migrate(withTtl(400));
  expect((await plan(withTtl(399)))[0]).toMatchObject({ kind: "refused" });
  await migrate(tableOf("aging"));
});

describe("rows that a ttl would delete only when ClickHouse's clock has run out, in 2106,", () => {
  const columns = { id: c.string(), day: c.date(), second: c.dateTime(), at: c.dateTime64(3) };
  const of = (column: "day" | "second" | "at", days = 30) =>
    defineTable(`valid_${column}`, { columns, orderBy: ["id"], ttl: { column, days } });
  const rowAt = (date: string) => ({ id: date, day: new Date(date), second: new Date(date), at: new Date(date) });
  const near = ["2100-01-01", "2106-01-07", "2106-01-20", "2106-02-07"].map(rowAt);
  const beyond = ["2110-01-01", "2149-06-06"].map((date) => ({ ...rowAt(date), second: new Date("2106-02-07") }));
  /** The ids that are there when every part was merged by what is known of it. */
  const left = async (name: string) => {
    await client.run(`OPTIMIZE TABLE ${name} FINAL`);
    return (await client.query<{ id: string }>(`SELECT id FROM ${name} ORDER BY id`)).map(({ id }) => id);
  };
  const ids = [...near, ...beyond].map(({ id }) => id);

  test.each(["day", "second", "at"] as const)("are kept, by '%s', and those of the past are deleted", async (column) => {
    await migrate(of(column));
    await write(of(column), [rowAt("1999-12-31"), ...near, ...beyond]);
    expect(await left(`valid_${column}`)).toEqual(ids);
  });

  test("are kept by a table that an earlier version has made, once it is migrated", async () => {
    const table = of("at", 31);
    await client.run("DROP TABLE IF EXISTS valid_at");
    await migrate(table);
    const earlier = "ALTER TABLE valid_at MODIFY TTL toDateTime(`at`) + toIntervalDay(31) DELETE";
    await client.run(earlier);
    await write(table, [...near, ...beyond]);
    // This is what it did.
    expect(await left("valid_at")).toEqual(["2100-01-01", "2106-01-07"]);
    // And what it has not done yet, it does no more.
    await client.run("ALTER TABLE valid_at MODIFY SETTING max_number_of_merges_with_ttl_in_pool = 0");
    await write(table, [rowAt("1999-12-31"), ...near, ...beyond]);
    expect(await plan(table)).toMatchObject([{ kind: "alter", summary: expect.stringContaining("near 2106 or beyond") }]);
    await migrate(table);
    await client.run("ALTER TABLE valid_at RESET SETTING max_number_of_merges_with_ttl_in_pool");
    expect(await left("valid_at")).toEqual(ids);
    await client.run(earlier);
    expect((await plan(of("at", 30)))[0]).toMatchObject({ kind: "refused" });
    await migrate(of("at", 32));
  });
});
