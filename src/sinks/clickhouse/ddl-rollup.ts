import { type ColumnType, sumOf } from "../../plan/column-type.ts";
import { bucketLimits, lengthOf } from "../../plan/rollup.ts";
import type { AggregateColumnPlan, ColumnPlan, RollupAggregate, RollupPlan, TablePlan } from "../../plan/table.ts";
import { heldAs } from "./column-kinds.ts";
import type { WantedView } from "./ddl.ts";
import { argumentType, inner, source, sourceColumn, where } from "./ddl-grouping.ts";
import { quoteName, quoteText } from "./quote.ts";
import { columnType } from "./types.ts";

/**
 * A rollup is two objects: a table of rows that are counted, one a bucket and key, and a view under the rollup's own name that shows
 * the last ones, which is what people read.
 */
export const rowsName = (rollup: RollupPlan): string => `${rollup.name}_rows`;

const plain = { nullable: false, lowCardinality: false, fallback: undefined, codec: undefined } as const;
const uint = (bits: 8 | 64): ColumnType => ({ kind: "int", bits, signed: false });

/** The table of rows: cut and aged as the source is, so that a bucket goes when its first row goes there. */
export function rowsTable(rollup: RollupPlan): TablePlan {
  const { from, time, every, groupBy } = rollup;
  const keys = groupBy.map((name) => ({ ...sourceColumn(rollup, name), fallback: undefined, codec: undefined }));
  const values = rollup.columns.map((column) => ({ ...plain, name: column.name, ...resultOf(rollup, column) }));
  return {
    kind: "table",
    name: rowsName(rollup),
    columns: [
      { ...plain, name: every, type: { kind: "dateTime" } },
      ...keys,
      ...values,
      { ...plain, name: "version", type: uint(64) },
      { ...plain, name: "is_deleted", type: uint(8) },
    ],
    engine: { kind: "replacingMergeTree", version: "version", deleted: "is_deleted" },
    orderBy: [every, ...groupBy],
    partitionBy: from.partitionBy?.column === time ? { unit: from.partitionBy.unit, column: every } : undefined,
    ttl: from.ttl && { column: every, days: from.ttl.days },
  };
}

/** The view that people read. */
export function rollupView(rollup: RollupPlan): WantedView {
  const { name, from, time, every, groupBy, columns } = rollup;
  const shown = [every, ...groupBy, ...columns.map((column) => column.name)].map(quoteName);
  return {
    kind: "view",
    name,
    sql: `SELECT ${shown.join(", ")} FROM ${quoteName(rowsName(rollup))} FINAL`,
    // What the rows mean is part of it: the view is made anew, last, when they have been counted by a new definition.
    basis: JSON.stringify([from.name, time, rollup.where, columns, rowsTable(rollup).columns.map(columnType)]),
  };
}

/** Counts buckets of a few days, from the source or another table of its rows, and marks as deleted the keys that the source has no more. */
export function recount(
  rollup: RollupPlan,
  starts: readonly number[],
  { version, rowsIn = rollup.from.name }: { readonly version: bigint; readonly rowsIn?: string },
): string {
  const { time, every, groupBy, columns } = rollup;
  const keys = [every, ...groupBy];
  const wanted = starts.map(moment).join(", ");
  const [first, end] = [Math.min(...starts), Math.max(...starts) + lengthOf(rollup)];
  const fresh = [
    `${bucketOf(rollup)} AS ${inner(every)}`,
    ...groupBy.map((name) => `${source(name)} AS ${inner(name)}`),
    ...columns.map((column) => `${where(column, argument(rollup, column))} AS ${inner(column.name)}`),
    "1 AS __rollup_live, toUInt64(0) AS __rollup_version, toUInt8(0) AS __rollup_deleted",
  ];
  const known = [
    ...keys.map((name) => `counted.${quoteName(name)}`),
    ...columns.map((column) => `CAST(NULL, ${quoteText(typeOfArgument(rollup, column))})`),
    "0, counted.`version`, counted.`is_deleted`",
  ];
  const conditions = [
    `${source(time)} >= ${moment(first)} AND ${source(time)} < ${moment(end)}`,
    `${bucketOf(rollup)} IN (${wanted})`,
    ...(rollup.where === undefined ? [] : [`(${rollup.where})`]),
  ];
  const names = [...keys, ...columns.map((column) => column.name), "version", "is_deleted"];
  return [
    `INSERT INTO ${quoteName(rowsName(rollup))} (${names.map(quoteName).join(", ")})`,
    `SELECT ${[...keys.map(inner), ...columns.map(result)].join(", ")},`,
    // Above what is there also where the server's clock was put back.
    `  greatest(toUInt64(${version}), max(__rollup_version) + 1), toUInt8(max(__rollup_live) = 0)`,
    `FROM (SELECT ${fresh.join(", ")}`,
    `FROM ${quoteName(rowsIn)} AS source FINAL WHERE ${conditions.join(" AND ")}`,
    `UNION ALL SELECT ${known.join(", ")}`,
    `FROM ${quoteName(rowsName(rollup))} AS counted WHERE counted.${quoteName(every)} IN (${wanted}))`,
    `GROUP BY ${keys.map(inner).join(", ")}`,
    // A key that is marked as deleted already is left alone.
    "HAVING max(__rollup_live) = 1 OR argMax(__rollup_deleted, __rollup_version) = 0",
    // A row of the source never moves from one partition to another: what makes it the same says in which it is.
    "SETTINGS do_not_merge_across_partitions_select_final = 1",
  ].join("\n");
}

/**
 * The buckets that hold rows, in the source or in the rollup itself; as seconds since the epoch. A time that no DateTime holds would be
 * in the bucket of another: 2110 begins again in 1973.
 */
export const heldBuckets = (rollup: RollupPlan, rowsIn: string): string =>
  [
    `SELECT DISTINCT toUnixTimestamp(${bucketOf(rollup)}) AS start FROM ${quoteName(rowsIn)} AS source`,
    `WHERE ${source(rollup.time)} >= ${moment(bucketLimits.startMs)} AND ${source(rollup.time)} < ${moment(bucketLimits.endMs)}`,
    `UNION DISTINCT SELECT toUnixTimestamp(${quoteName(rollup.every)}) AS start FROM ${quoteName(rowsName(rollup))} FINAL`,
  ].join("\n");

const startOf = { minute: "toStartOfMinute", hour: "toStartOfHour", day: "toStartOfDay" } as const;
const bucketOf = ({ every, time }: RollupPlan): string => `${startOf[every]}(toDateTime(${source(time)}, 'UTC'))`;
const moment = (ms: number): string => `toDateTime(${ms / 1_000}, 'UTC')`;

type RollupColumn = AggregateColumnPlan<RollupAggregate>;

/** Nullable, so that rows that a column does not see, and those that were counted before, add nothing to it. */
const argument = (rollup: RollupPlan, column: RollupColumn): string =>
  `CAST(${column.args[0] === undefined ? 1 : source(column.args[0])}, ${quoteText(typeOfArgument(rollup, column))})`;

const typeOfArgument = (rollup: RollupPlan, { args: [name] }: RollupColumn): string =>
  name === undefined ? "Nullable(UInt8)" : argumentType(rollup, name);

function result({ name, aggregate }: RollupColumn): string {
  const value = `${aggregate}(${inner(name)})`;
  return aggregate === "sum" ? `ifNull(${value}, 0)` : value;
}

/** The type of what an aggregate gives. */
function resultOf(rollup: RollupPlan, { name, aggregate, args }: RollupColumn): Pick<ColumnPlan, "type" | "nullable"> {
  const argumentOf = (): ColumnType => heldAs(sourceColumn(rollup, args[0] as string).type);
  switch (aggregate) {
    case "count":
    case "uniqExact":
      return { type: uint(64), nullable: false };
    case "sum": {
      const type = sumOf(argumentOf());
      if (type === undefined) throw new Error(`'${rollup.name}' was made without checking its column '${name}'`);
      return { type, nullable: false };
    }
    case "avg":
      return { type: { kind: "float", bits: 64 }, nullable: true };
    case "min":
    case "max":
      return { type: argumentOf(), nullable: true };
    default:
      aggregate satisfies `quantileExact(${number})`;
      return { type: argumentOf(), nullable: true };
  }
}
