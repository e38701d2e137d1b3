import type { ArchivedColumn, Location } from "../../plan/archive.ts";
import { quoteName, quoteText } from "./quote.ts";

/** The id of a day's partition in a table that is cut by `toYYYYMMDD`. */
export const partitionId = (day: string): string => day.replaceAll("-", "");

export const dayOfPartition = (id: string): string => `${id.slice(0, 4)}-${id.slice(4, 6)}-${id.slice(6, 8)}`;

/** A file as a table function. The structure is that of the table: what is inferred from Parquet has other types. */
export function fileTable(location: Location, format: "Parquet" | "RawBLOB" | "One", structure?: string): string {
  const shape = structure === undefined ? [] : [quoteText(structure)];
  switch (location.kind) {
    case "file":
      return `file(${[quoteText(location.path), quoteText(format), ...shape].join(", ")})`;
    case "s3":
      return `s3(${[quoteText(location.url), ...(location.keys ?? []).map(quoteText), quoteText(format), ...shape].join(", ")})`;
    default:
      return location satisfies never;
  }
}

export const structureOf = (columns: readonly ArchivedColumn[]): string =>
  columns.map(({ name, type }) => `${quoteName(name)} ${type}`).join(", ");

const list = (columns: readonly ArchivedColumn[]): string => columns.map(({ name }) => quoteName(name)).join(", ");

/** A day's rows, each once. */
export const rowsOfDay = (name: string, day: string): string =>
  `${quoteName(name)} FINAL WHERE _partition_id = ${quoteText(partitionId(day))}`;

/** One row an hour: counts and hashes that can be put together in any order. Its names are none that a column is likely to have. */
export function surveyRows(source: string, columns: readonly ArchivedColumn[], time: ArchivedColumn): string {
  const values = columns.flatMap(hashed).join(", ");
  const at = quoteName(time.name);
  const hour = /^DateTime/.test(time.type) ? `toHour(toTimeZone(${at}, 'UTC'))` : "0";
  return [
    `SELECT ${hour} AS __hour, toString(count()) AS __rows, toString(sum(cityHash64(${values}))) AS __sum,`,
    `  toString(groupBitXor(sipHash64(${values}))) AS __xor,`,
    `  toString(sum(${columns.map(rawSize).join(" + ")})) AS __bytes,`,
    `  toString(toUnixTimestamp64Milli(toDateTime64(min(${at}), 3, 'UTC'))) AS __first,`,
    `  toString(toUnixTimestamp64Milli(toDateTime64(max(${at}), 3, 'UTC'))) AS __last`,
    `FROM ${source} GROUP BY __hour ORDER BY __hour`,
  ].join("\n");
}

/** What a value takes up as the server writes it, uncompressed: of a text in memory it would count 8 bytes more, which it never stores. */
const rawSize = ({ name, type }: ArchivedColumn): string =>
  /^(LowCardinality\()?(Nullable\()?String\b/.test(type)
    ? `(ifNull(length(${quoteName(name)}), 0) + 1)`
    : `byteSize(${quoteName(name)})`;

/** A hash of a null is null, and a sum passes it over. */
function hashed({ name, type }: ArchivedColumn): readonly string[] {
  const column = quoteName(name);
  return type.includes("Nullable(") ? [`isNull(${column})`, `ifNull(toString(${column}), '')`] : [column];
}

/** Without filters, which make a file a sixth larger: whoever reads it reads all of it. */
export function exportRows(location: Location, { name, day, columns, time, hours }: ExportedRows): string {
  const [from, to] = hours;
  const slice = /^DateTime/.test(time.type)
    ? ` AND toHour(toTimeZone(${quoteName(time.name)}, 'UTC')) BETWEEN ${from} AND ${to}`
    : "";
  return `INSERT INTO FUNCTION ${fileTable(location, "Parquet", structureOf(columns))}
SELECT ${list(columns)} FROM ${rowsOfDay(name, day)}${slice}
SETTINGS output_format_parquet_compression_method = 'zstd', output_format_parquet_write_bloom_filter = 0,
  do_not_merge_across_partitions_select_final = 1`;
}

export interface ExportedRows {
  readonly name: string;
  readonly day: string;
  readonly columns: readonly ArchivedColumn[];
  readonly time: ArchivedColumn;
  /** The first and the last hour. */
  readonly hours: readonly [from: number, to: number];
}

export const fileRows = (locations: readonly Location[], columns: readonly ArchivedColumn[]): string =>
  `(${locations
    .map((location) => `SELECT ${list(columns)} FROM ${fileTable(location, "Parquet", structureOf(columns))}`)
    .join(" UNION ALL ")})`;

export const loadRows = (
  name: string,
  {
    locations,
    columns,
    kept,
  }: { locations: readonly Location[]; columns: readonly ArchivedColumn[]; kept: readonly ArchivedColumn[] },
): string => `INSERT INTO ${quoteName(name)} (${list(kept)}) SELECT ${list(kept)} FROM ${fileRows(locations, columns)}`;

const partition = (day: string): string => `PARTITION ID ${quoteText(partitionId(day))}`;

export const movePartition = (from: string, to: string, day: string): string =>
  `ALTER TABLE ${quoteName(from)} MOVE ${partition(day)} TO TABLE ${quoteName(to)}`;

export const attachPartition = (to: string, from: string, day: string): string =>
  `ALTER TABLE ${quoteName(to)} ATTACH ${partition(day)} FROM ${quoteName(from)}`;
