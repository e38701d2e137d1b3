import { getOrMake } from "../../core/get-or-make.ts";
import type { TablePlan } from "../../plan/table.ts";

/**
 * The most partitions that one insert touches. ClickHouse refuses an insert over more than 100, and each one is a part to write and merge.
 */
export const maxPartitionsPerInsert = 10;

const dayMs = 86_400_000;

/** Rows that may go in together. */
export interface PartitionGroup {
  /** Partitions lie in ranges of `maxPartitionsPerInsert`, the same for all rows of a table: what is in one of them may be joined. */
  readonly range: number;
  /** Which rows, in order; `undefined` for all of them, which is nearly always. */
  readonly indexes: readonly number[] | undefined;
  /** The partitions that they touch, as numbers that tell them apart. */
  readonly partitions: ReadonlySet<number>;
}

/**
 * Splits rows by the ranges that their partitions are in. Rows that come for many days at once, from many writers, can so be sorted into
 * few inserts, each of which writes few parts. Rows without a valid time are in range 0.
 */
export function splitByPartition(table: TablePlan, rows: readonly object[]): readonly PartitionGroup[] {
  const { partitionBy } = table;
  if (partitionBy === undefined) return [{ range: 0, indexes: undefined, partitions: new Set() }];
  const fallback = table.columns.find((column) => column.name === partitionBy.column)?.fallback;
  const bucketOf = (row: object): number => {
    const value = (row as Record<string, unknown> | null | undefined)?.[partitionBy.column] ?? fallback;
    if (!(value instanceof Date)) return 0;
    const bucket =
      partitionBy.unit === "day" ? Math.floor(value.getTime() / dayMs) : value.getUTCFullYear() * 12 + value.getUTCMonth();
    return Number.isNaN(bucket) ? 0 : bucket;
  };

  const buckets = new Set<number>();
  let last = Number.NaN;
  for (const row of rows) {
    const bucket = bucketOf(row);
    if (bucket !== last) buckets.add(bucket);
    last = bucket;
  }
  const ranges = new Set([...buckets].map(rangeOf));
  if (ranges.size <= 1) return [...ranges].map((range) => ({ range, indexes: undefined, partitions: buckets }));

  const groups = new Map<number, { readonly range: number; readonly indexes: number[]; readonly partitions: Set<number> }>();
  rows.forEach((row, index) => {
    const bucket = bucketOf(row);
    const range = rangeOf(bucket);
    const { indexes, partitions } = getOrMake(groups, range, () => ({ range, indexes: [], partitions: new Set<number>() }));
    indexes.push(index);
    partitions.add(bucket);
  });
  return [...groups.values()];
}

const rangeOf = (bucket: number): number => Math.floor(bucket / maxPartitionsPerInsert);
