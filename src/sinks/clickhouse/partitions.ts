import type { TablePlan } from "../../plan/table.ts";

/**
 * The most partitions that one insert touches. ClickHouse refuses an insert over more than 100, and each one is a part to write and merge.
 */
export const maxPartitionsPerInsert = 10;

const dayMs = 86_400_000;

/**
 * Splits rows so that no group spans more than `maxPartitionsPerInsert` partitions of the table; each group lists indexes, in order.
 * `undefined` when all rows may go together, which is nearly always. Rows without a valid time stay with the first group.
 */
export function splitByPartition(table: TablePlan, rows: readonly object[]): readonly (readonly number[])[] | undefined {
  const { partitionBy } = table;
  if (partitionBy === undefined) return undefined;
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
  if (buckets.size <= maxPartitionsPerInsert) return undefined;

  const groupOf = new Map<number, number>();
  for (const bucket of [...buckets].sort((a, b) => a - b)) groupOf.set(bucket, Math.floor(groupOf.size / maxPartitionsPerInsert));
  const groups = Array.from({ length: Math.ceil(buckets.size / maxPartitionsPerInsert) }, (): number[] => []);
  rows.forEach((row, index) => groups[groupOf.get(bucketOf(row)) as number]?.push(index));
  return groups;
}
