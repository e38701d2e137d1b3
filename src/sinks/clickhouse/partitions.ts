import type { TablePlan } from "../../plan/table.ts";

/**
 * The most partitions that one insert touches. ClickHouse refuses an insert over more than 100, and each one is a part to write and merge.
 */
export const maxPartitionsPerInsert = 10;

const dayMs = 86_400_000;

/** Rows that may go in together. */
export interface PartitionGroup {
  /** Which rows, in order; `undefined` for all of them, which is nearly always. */
  readonly indexes: readonly number[] | undefined;
  /** The partitions that they touch, as numbers that tell them apart. */
  readonly partitions: ReadonlySet<number>;
}

/**
 * Splits rows so that no group spans more than `maxPartitionsPerInsert` partitions of the table. Rows without a valid time stay
 * with the first group.
 */
export function splitByPartition(table: TablePlan, rows: readonly object[]): readonly PartitionGroup[] {
  const { partitionBy } = table;
  if (partitionBy === undefined) return [{ indexes: undefined, partitions: new Set() }];
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
  if (buckets.size <= maxPartitionsPerInsert) return [{ indexes: undefined, partitions: buckets }];

  const sorted = [...buckets].sort((a, b) => a - b);
  const groups = Array.from({ length: Math.ceil(sorted.length / maxPartitionsPerInsert) }, (_, i) => ({
    indexes: [] as number[],
    partitions: new Set(sorted.slice(i * maxPartitionsPerInsert, (i + 1) * maxPartitionsPerInsert)),
  }));
  const groupOf = new Map(groups.flatMap((group) => [...group.partitions].map((bucket) => [bucket, group] as const)));
  rows.forEach((row, index) => groupOf.get(bucketOf(row))?.indexes.push(index));
  return groups;
}
