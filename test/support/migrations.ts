import { expect } from "vitest";
import { c } from "../../src/dsl/columns.ts";
import { clickhouse } from "../../src/dsl/sinks.ts";
import { defineTable } from "../../src/dsl/table.ts";
import type { ClickHouseSinkPlan } from "../../src/plan/plan.ts";
import type { TableObjectPlan, TablePlan } from "../../src/plan/table.ts";
import type { ClickHouse } from "../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../src/sinks/clickhouse/migrate.ts";
import { createClickHouseSink } from "../../src/sinks/clickhouse/sink.ts";

/** Columns of the tables that are migrated, and how they are laid out. */
export const base = { event_id: c.uuid(), user_id: c.string(), at: c.dateTime64(3), outcome: c.enum(["success", "failure"]) };
export const options = { orderBy: ["user_id", "at", "event_id"], partitionBy: { unit: "day", column: "at" } } as const;
export const tableOf = (name: string) => defineTable(name, { columns: base, ...options });

/** Plans, applies and fills tables of one database. */
export function migrationsOf(client: ClickHouse) {
  const plan = (...objects: readonly { readonly plan: TableObjectPlan }[]) =>
    planMigration(
      objects.map((object) => object.plan),
      client,
    );
  const migrate = async (...objects: readonly { readonly plan: TableObjectPlan }[]) => {
    await applyMigration(await plan(...objects), client);
    expect(await plan(...objects)).toEqual([]);
  };

  const write = async (table: { readonly plan: TablePlan }, rows: readonly object[]) => {
    const sink = createClickHouseSink(
      clickhouse(table as ReturnType<typeof tableOf>, { minIntervalMs: 0 }).plan as ClickHouseSinkPlan,
      {
        client,
        signal: new AbortController().signal,
      },
    );
    const { rejected } = await sink.write(rows, rows.length * 100);
    await sink.close();
    expect(rejected).toEqual([]);
  };
  return { plan, migrate, write };
}

export type Migrations = ReturnType<typeof migrationsOf>;
