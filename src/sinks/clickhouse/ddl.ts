import { createHash } from "node:crypto";
import { days as daysToMs } from "../../core/duration.ts";
import type { ColumnPlan, EnginePlan, TablePlan, TtlPlan, ViewPlan } from "../../plan/table.ts";
import { literal } from "./column-kinds.ts";
import { quoteName, quoteText } from "./quote.ts";
import { columnType } from "./types.ts";

/** `CREATE TABLE` of a table that pipelines write. */
export function createTable(table: TablePlan): string {
  const lines = table.columns.map((column) => `  ${columnDefinition(column)}`);
  const clauses = [
    `ENGINE = ${engineOf(table)}`,
    ...(table.partitionBy ? [`PARTITION BY ${partitionKey(table)}`] : []),
    `ORDER BY (${table.orderBy.map(quoteName).join(", ")})`,
    ...(table.ttl ? [`TTL ${ttlExpression(table.ttl)}`] : []),
    `SETTINGS ${settingsOf(table)}`,
    `COMMENT ${quoteText("headrace table")}`,
  ];
  return `CREATE TABLE IF NOT EXISTS ${quoteName(table.name)} (\n${lines.join(",\n")}\n)\n${clauses.join("\n")}`;
}

/** A column as `CREATE TABLE` and `ADD COLUMN` write it. */
export function columnDefinition(column: ColumnPlan): string {
  const fallback =
    column.fallback === undefined || column.fallback === null ? "" : ` DEFAULT ${literal(column.type, column.fallback)}`;
  const codec = column.codec === undefined ? "" : ` CODEC(${column.codec})`;
  return `${quoteName(column.name)} ${columnType(column)}${fallback}${codec}`;
}

/** The partition key as `system.tables` prints it, apart from quotes, or the empty string. */
export function partitionKey({ partitionBy }: TablePlan): string {
  if (partitionBy === undefined) return "";
  return `${partitionBy.unit === "day" ? "toYYYYMMDD" : "toYYYYMM"}(${quoteName(partitionBy.column)})`;
}

/** The last day of which a DateTime, of 32 bits, has the midnight. */
const lastDay = Date.UTC(2106, 1, 7);

/** When rows are deleted. What would fall behind the last day falls on it: a DateTime would begin again in 1970, and delete it at once. */
export function ttlExpression({ column, days }: TtlPlan): string {
  const limit = new Date(lastDay - daysToMs(days)).toISOString().slice(0, 10);
  const capped = `least(toDateTime64(${quoteName(column)}, 0, 'UTC'), toDateTime64('${limit}', 0, 'UTC'))`;
  return `toDateTime(${capped}, 'UTC') + toIntervalDay(${days}) DELETE`;
}

/** A view that is wanted. */
export interface WantedView extends ViewPlan {
  /** The types that it shows and that can change in place: a view keeps those it was made with, so it is made again with new ones. */
  readonly basis: string;
}

/** `CREATE VIEW`, or its replacement. Replacing turns a table of that name into a view: look what is there first. */
export function createView(view: WantedView, options: { readonly replace: boolean }): string {
  const create = options.replace ? "CREATE OR REPLACE VIEW" : "CREATE VIEW IF NOT EXISTS";
  // The brackets keep a trailing SETTINGS or comment of the SELECT apart from ours.
  return `${create} ${quoteName(view.name)} AS (\n${view.sql}\n) COMMENT ${quoteText(viewComment(view))}`;
}

/** Stands in a view's COMMENT: says whether the view there is the one that is wanted, however the server prints its SELECT. */
export const viewComment = ({ sql, basis }: WantedView): string => `headrace view ${digest(`${sql}\n${basis}`)}`;

/** A short name of a text, by which a change is seen. */
export const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);

/** The columns that say which of the rows of a sorting key is the last, and whether it is one. */
export const replacedBy = (engine: EnginePlan): readonly string[] =>
  engine.kind === "mergeTree" ? [] : [engine.version, engine.deleted].filter((name) => name !== undefined);

/** The version columns among the arguments of an engine as it is there; the others of a replicated engine are quoted. */
export const versionOf = ({ engineFull }: { readonly engineFull: string }): string =>
  (/^\w+\(([^)]*)\)/.exec(engineFull)?.[1] ?? "")
    .split(",")
    .map((argument) => argument.replace(/`/g, "").trim())
    .filter((argument) => !argument.startsWith("'"))
    .join(", ");

function engineOf({ engine }: TablePlan): string {
  switch (engine.kind) {
    case "mergeTree":
      return "MergeTree";
    case "replacingMergeTree":
      return engine.version === undefined
        ? "ReplacingMergeTree"
        : `ReplacingMergeTree(${replacedBy(engine).map(quoteName).join(", ")})`;
    default:
      throw engine satisfies never;
  }
}

function settingsOf(table: TablePlan): string {
  const settings = ["non_replicated_deduplication_window = 0"];
  if (table.engine.kind === "replacingMergeTree" && table.partitionBy !== undefined) {
    // A partition that nobody writes any more becomes one part, which makes FINAL cheap.
    settings.push("min_age_to_force_merge_seconds = 3600", "min_age_to_force_merge_on_partition_only = 1");
  }
  if (table.ttl !== undefined && table.partitionBy?.column === table.ttl.column && table.partitionBy.unit === "day") {
    settings.push("ttl_only_drop_parts = 1");
  }
  return settings.join(", ");
}
