import type { ClickHouse } from "./client.ts";

/** A table or view that is there, as `system.tables` and `system.columns` tell of it. */
export interface Existing {
  readonly name: string;
  readonly engine: string;
  readonly engineFull: string;
  readonly sortingKey: string;
  readonly partitionKey: string;
  readonly comment: string;
  readonly columns: readonly ExistingColumn[];
}

export interface ExistingColumn {
  readonly name: string;
  readonly type: string;
  readonly comment: string;
  /** As the server writes it, with the parameters that were left out; empty for the server's own. */
  readonly codec: string;
}

export type Catalog = ReadonlyMap<string, Existing>;

/** Reads what is in the client's database; `undefined` when there is no such database. */
export async function readCatalog(client: ClickHouse): Promise<Catalog | undefined> {
  const params = { database: client.database };
  // Asked from the system database: a session in a database that is not there can ask nothing.
  const system = client.using("system");
  try {
    const databases = await system.query("SELECT name FROM system.databases WHERE name = {database:String}", { params });
    if (databases.length === 0) return undefined;
    const tables = await system.query<Omit<Existing, "columns">>(
      `SELECT name, engine, engine_full AS engineFull, sorting_key AS sortingKey, partition_key AS partitionKey, comment
       FROM system.tables WHERE database = {database:String} AND NOT is_temporary`,
      { params },
    );
    const columns = await system.query<ExistingColumn & { readonly table: string }>(
      "SELECT table, name, type, comment, compression_codec AS codec FROM system.columns WHERE database = {database:String} ORDER BY table, position",
      { params },
    );
    const byTable = new Map<string, ExistingColumn[]>(tables.map((table) => [table.name, []]));
    for (const { table, ...column } of columns) byTable.get(table)?.push(column);
    return new Map(tables.map((table) => [table.name, { ...table, columns: byTable.get(table.name) ?? [] }]));
  } finally {
    await system.close();
  }
}

/** `Shared…` and `Replicated…` engines keep the same promises as their plain ones. */
export const plainEngine = (engine: string): string => engine.replace(/^(Shared|Replicated)/, "");

/** A key as it can be compared: without quotes, brackets around it and spaces. */
export const plainKey = (key: string): string => key.replace(/[`\s]/g, "").replace(/^\(([^()]*)\)$/, "$1");
