import { isRecord } from "../core/is-record.ts";
import type { AppPlan } from "./plan.ts";
import type { RollupPlan } from "./table.ts";

const bucketMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
/** What a DateTime of ClickHouse can hold, in whole years, milliseconds since the epoch. Rows outside are in no bucket. */
export const bucketLimits = { startMs: 0, endMs: Date.UTC(2106) } as const;

export const rollupsOf = ({ tables }: AppPlan): readonly RollupPlan[] => tables.filter((table) => table.kind === "rollup");

/** How long a bucket is, milliseconds. */
export const lengthOf = ({ every }: RollupPlan): number => bucketMs[every];

/** Where the buckets begin that the rows are in, milliseconds since the epoch; each once. */
export function bucketsOf(rollup: RollupPlan, rows: readonly unknown[]): readonly number[] {
  const { time, from } = rollup;
  const length = lengthOf(rollup);
  const fallback = from.columns.find(({ name }) => name === time)?.fallback;
  const starts = new Set<number>();
  for (const row of rows) {
    const at = (isRecord(row) ? row[time] : undefined) ?? fallback;
    const ms = at instanceof Date ? at.getTime() : Number.NaN;
    if (ms >= bucketLimits.startMs && ms < bucketLimits.endMs) starts.add(ms - (ms % length));
  }
  return [...starts];
}

/**
 * Buckets by the UTC day that they are in, the oldest first. A day lies in one partition of a table that is partitioned by its time,
 * which has to be read as a whole anyway: less than a day at once is not worth it.
 */
export function byDay(starts: Iterable<number>): readonly (readonly number[])[] {
  const days = new Map<number, number[]>();
  for (const start of [...starts].sort((a, b) => a - b)) {
    const day = Math.floor(start / bucketMs.day);
    const known = days.get(day);
    if (known) known.push(start);
    else days.set(day, [start]);
  }
  return [...days.values()];
}

/** The first of some days: those that follow one another, as many as are asked for, and no more buckets than that; at least one day. */
export function inARow(
  days: readonly (readonly number[])[],
  most: { readonly days: number; readonly buckets: number },
): readonly (readonly number[])[] {
  const dayOf = (day: readonly number[]) => Math.floor((day[0] ?? 0) / bucketMs.day);
  const taken: (readonly number[])[] = [];
  let buckets = 0;
  for (const day of days.slice(0, most.days)) {
    const last = taken.at(-1);
    buckets += day.length;
    if (last && (dayOf(day) !== dayOf(last) + 1 || buckets > most.buckets)) break;
    taken.push(day);
  }
  return taken;
}
