import { hours } from "../../core/duration.ts";
import { ConfigError, messageOf } from "../../core/errors.ts";
import {
  type ArchivedColumn,
  type ArchiveState,
  archivesTable,
  type Generation,
  type Location,
  type StoredRows,
  type Survey,
  type TableDay,
} from "../../plan/archive.ts";
import {
  attachPartition,
  dayOfPartition,
  type ExportedRows,
  exportRows,
  fileRows,
  fileTable,
  loadRows,
  movePartition,
  partitionId,
  rowsOfDay,
  structureOf,
  surveyRows,
} from "./archive-sql.ts";
import type { ClickHouse } from "./client.ts";
import { createTable } from "./ddl.ts";
import { quoteName, quoteText } from "./quote.ts";

/** One statement may read a whole day. */
const timeoutMs = hours(2);

/** What the archive asks of ClickHouse: days of tables, tables beside them, files that the server reads and writes, and states. */
export function createArchiveTables(client: ClickHouse, signal?: AbortSignal) {
  const call = (what?: string) => ({ timeoutMs, ...(signal && { signal }), ...(what !== undefined && { what }) });
  const run = (sql: string, what?: string) => client.run(sql, call(what));
  const ask = <Row>(sql: string, what?: string) => client.query<Row>(sql, call(what));
  const database = quoteText(client.database);

  const tablesLike = async (prefix: string): Promise<readonly string[]> =>
    (
      await ask<{ name: string }>(
        `SELECT name FROM system.tables WHERE database = ${database} AND startsWith(name, ${quoteText(prefix)}) ORDER BY name`,
      )
    ).map(({ name }) => name);

  const surveyOf = async (source: string, columns: readonly ArchivedColumn[], time: ArchivedColumn, what: string) =>
    joined(await ask<SurveyedHour>(surveyRows(source, columns, time), what), columns);

  return {
    tablesLike,
    hasTable: async (name: string): Promise<boolean> => (await tablesLike(name)).includes(name),

    /** The columns that hold something of a row, as the server has them: also those that no definition knows. */
    async columns(name: string): Promise<readonly ArchivedColumn[]> {
      const columns = await ask<ArchivedColumn>(
        `SELECT name, type FROM system.columns WHERE database = ${database} AND table = ${quoteText(name)}
         AND default_kind NOT IN ('ALIAS', 'EPHEMERAL', 'MATERIALIZED') ORDER BY position`,
      );
      if (columns.length > 0) return columns;
      throw new ConfigError("clickhouse.schema", `there is no table '${name}'`, { hint: "Run 'headrace migrate --apply'." });
    },

    /** Stored rows by day, repeats among them; of one day or of all. */
    async storedRows(name: string, day?: string): Promise<ReadonlyMap<string, StoredRows>> {
      const parts = await ask<{ id: string; stored: string; packed: string; raw: string }>(
        `SELECT partition_id AS id, toString(sum(rows)) AS stored,
                toString(sum(data_compressed_bytes)) AS packed, toString(sum(data_uncompressed_bytes)) AS raw
         FROM system.parts
         WHERE database = ${database} AND table = ${quoteText(name)} AND active
         ${day === undefined ? "" : `AND partition_id = ${quoteText(partitionId(day))}`} GROUP BY id HAVING sum(rows) > 0 ORDER BY id`,
      );
      return new Map(
        parts.map(({ id, stored, packed, raw }) => [
          dayOfPartition(id),
          { rows: Number(stored), bytes: Number(packed), rawBytes: Number(raw) },
        ]),
      );
    },

    surveyDay: (name: string, day: string, columns: readonly ArchivedColumn[], time: string): Promise<Survey> =>
      surveyOf(rowsOfDay(name, day), columns, timeOf(columns, time), `survey of ${name} on ${day}`),

    surveyFiles: (locations: readonly Location[], columns: readonly ArchivedColumn[], time: string): Promise<Survey> =>
      surveyOf(fileRows(locations, columns), columns, timeOf(columns, time), "reading files of the archive"),

    /** The names of a Parquet file's own columns. */
    async fileColumns(location: Location): Promise<readonly string[]> {
      const columns = await ask<{ name: string }>(
        `DESCRIBE TABLE ${fileTable(location, "Parquet")}`,
        "looking at a file of the archive",
      );
      return columns.map(({ name }) => name);
    },

    async writeFile(location: Location, rows: ExportedRows): Promise<void> {
      await run(exportRows(location, rows), `export of ${rows.name} on ${rows.day}`);
    },

    /** Rows and bytes of a file that was just written. */
    async measureFile(location: Location, columns: readonly ArchivedColumn[]) {
      const [found] = await ask<{ rows: string; bytes: string }>(
        `SELECT toString(count()) AS rows, toString(max(_size)) AS bytes FROM ${fileTable(location, "Parquet", structureOf(columns))}`,
        "measuring a file of the archive",
      );
      return { rows: Number(found?.rows ?? 0), bytes: Number(found?.bytes ?? 0) };
    },

    async load(name: string, locations: readonly Location[], columns: readonly ArchivedColumn[], kept = columns): Promise<void> {
      await run(loadRows(name, { locations, columns, kept }), `loading files of the archive into ${name}`);
    },

    /** An empty table beside another. */
    createLike: (name: string, like: string) => run(`CREATE TABLE IF NOT EXISTS ${quoteName(name)} AS ${quoteName(like)}`),
    /** The same rows in another table; at once, and without being written again. */
    move: (from: string, to: string, { day }: Pick<TableDay, "day">) => run(movePartition(from, to, day)),
    attach: (to: string, from: string, { day }: Pick<TableDay, "day">) => run(attachPartition(to, from, day)),
    drop: (name: string) => run(`DROP TABLE IF EXISTS ${quoteName(name)} SETTINGS max_table_size_to_drop = 0`),

    /** Whether the table was there to be renamed: of several that try, one succeeds. */
    async rename(from: string, to: string): Promise<boolean> {
      try {
        await run(`RENAME TABLE ${quoteName(from)} TO ${quoteName(to)}`);
        return true;
      } catch (error) {
        if (/UNKNOWN_TABLE|\b60\b/.test(messageOf(error))) return false;
        throw error;
      }
    },

    /** States by generation, of one table or of one of its days. */
    async states({ table, day }: { readonly table: string; readonly day?: string }) {
      const rows = await ask<{ day: string; generation: number; state: ArchiveState }>(
        `SELECT toString(day) AS day, generation, state FROM ${quoteName(archivesTable.name)} FINAL
         WHERE table_name = ${quoteText(table)} ${day === undefined ? "" : `AND day = ${quoteText(day)}`} ORDER BY day, generation`,
      );
      return rows.map((row) => ({ table, day: row.day, generation: Number(row.generation), state: row.state }));
    },

    async setState(
      { table, day, generation }: Generation,
      state: ArchiveState,
      survey?: Pick<Survey, "rows" | "hash">,
    ): Promise<void> {
      const values = [quoteText(table), `toDate(${quoteText(day)})`, generation, quoteText(state), survey?.rows ?? 0];
      await run(
        `INSERT INTO ${quoteName(archivesTable.name)} (table_name, day, generation, state, rows, hash, version)
         SELECT ${values.join(", ")}, ${quoteText(survey?.hash ?? "")}, toUnixTimestamp64Nano(now64(9)) SETTINGS async_insert = 0`,
      );
    },

    /** The table of states, where `headrace migrate` has not made it yet. */
    prepare: () => run(createTable(archivesTable)),
  };
}

interface SurveyedHour {
  readonly __hour: number;
  readonly __rows: string;
  readonly __sum: string;
  readonly __xor: string;
  readonly __bytes: string;
  readonly __first: string;
  readonly __last: string;
}

function joined(parts: readonly SurveyedHour[], columns: readonly ArchivedColumn[]): Survey {
  const iso = (ms: number) => (Number.isFinite(ms) ? new Date(ms).toISOString() : "");
  const hex = (value: bigint) => BigInt.asUintN(64, value).toString(16).padStart(16, "0");
  const byHour: number[] = Array.from({ length: 24 }, () => 0);
  let [rows, rawBytes, sum, xor] = [0, 0, 0n, 0n];
  for (const part of parts) {
    byHour[Number(part.__hour)] = Number(part.__rows);
    rows += Number(part.__rows);
    rawBytes += Number(part.__bytes);
    sum += BigInt(part.__sum);
    xor ^= BigInt(part.__xor);
  }
  return {
    rows,
    rawBytes,
    hash: rows === 0 ? "" : hex(sum) + hex(xor),
    from: iso(Math.min(...parts.map(({ __first }) => Number(__first)))),
    to: iso(Math.max(...parts.map(({ __last }) => Number(__last)))),
    columns,
    hours: byHour,
  };
}

const timeOf = (columns: readonly ArchivedColumn[], name: string): ArchivedColumn => {
  const found = columns.find((column) => column.name === name);
  if (found) return found;
  throw new ConfigError("clickhouse.schema", `there is no column '${name}'`, { hint: "Run 'headrace migrate --apply'." });
};
