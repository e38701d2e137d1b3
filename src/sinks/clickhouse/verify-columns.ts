import { ConfigError } from "../../core/errors.ts";
import type { TablePlan } from "../../plan/table.ts";
import type { CallOptions, ClickHouse } from "./client.ts";
import { columnType, isLongerEnum } from "./types.ts";

/**
 * Asks whether the table is the one that is defined. ClickHouse tells a column of another type as values that it cannot parse: without
 * asking, every row of the stream would be rejected, one by one, for what is no row's fault.
 *
 * @throws ConfigError `clickhouse.schema` naming the first column that is missing or of another type
 */
export async function verifyColumns(table: TablePlan, client: ClickHouse, call: CallOptions): Promise<void> {
  const there = await client.query<{ readonly name: string; readonly type: string }>(
    "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}",
    { ...call, params: { database: client.database, table: table.name } },
  );
  for (const column of table.columns) {
    const wanted = columnType(column);
    const has = there.find(({ name }) => name === column.name)?.type;
    if (has !== undefined && (bare(has) === bare(wanted) || isLongerEnum(wanted, has))) continue;
    const difference = has === undefined ? "is not there" : `is ${has} there`;
    throw new ConfigError("clickhouse.schema", `${table.name}.${column.name} ${difference}, and is defined as ${wanted}`, {
      hint: "Run `headrace migrate`: it tells what to do.",
    });
  }
}

/** Dictionaries and nullability make no difference to what a value may be. */
const bare = (type: string): string => type.replace(/\b(LowCardinality|Nullable)\(|\)+$/g, "");
