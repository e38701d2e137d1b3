import type { TablePlan } from "../../plan/table.ts";
import type { Catalog } from "./catalog.ts";
import type { CallOptions, ClickHouse } from "./client.ts";
import { createTable, replacedBy, versionOf } from "./ddl.ts";
import { quoteName } from "./quote.ts";

/** First the new table, then the old one, under a name that only a rebuild that is under way has. */
export const asideName = ({ name }: Pick<TablePlan, "name">): string => `headrace_rebuild_${name}`;

export interface RebuildDeps {
  readonly client: ClickHouse;
  readonly readCatalog: () => Promise<Catalog | undefined>;
  /** Resolves when the inserts that are under way have ended. */
  readonly insertsUnderWay: () => Promise<void>;
  readonly call: CallOptions;
}

/**
 * Gives the rows of a table a version, which only a new table can have. The two change places in one step, so writers go on, into the new
 * one; then what the old one holds is written into it, as if it were sent again: of two rows of one key the higher version holds,
 * whichever came first. Until that is done readers see only what is new. A rebuild that was stopped goes on where it was.
 */
export async function rebuild(table: TablePlan, { client, readCatalog, insertsUnderWay, call }: RebuildDeps): Promise<void> {
  const [name, aside] = [quoteName(table.name), quoteName(asideName(table))];
  const before = (await readCatalog())?.get(table.name);
  if (before && versionOf(before) !== replacedBy(table.engine).join(", ")) {
    await client.run(createTable({ ...table, name: asideName(table) }), call);
    await client.run(`EXCHANGE TABLES ${name} AND ${aside}`, call);
  }
  // One that began before may still be writing into the old table.
  await insertsUnderWay();
  const catalog = await readCatalog();
  const [now, old] = [catalog?.get(table.name), catalog?.get(asideName(table))];
  if (!now || !old) return;
  const columns = old.columns
    .filter((one) => now.columns.some(({ name }) => name === one.name))
    .map((one) => quoteName(one.name));
  const names = columns.join(", ");
  // All at once, however many partitions it spans.
  const settings = "SETTINGS max_partitions_per_insert_block = 0";
  await client.run(`INSERT INTO ${name} (${names}) ${settings} SELECT ${names} FROM ${aside} FINAL`, call);
  await client.run(`DROP TABLE ${aside}`, call);
}
