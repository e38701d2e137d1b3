import type { Clock } from "../core/clock.ts";
import { byDay, inARow } from "../plan/rollup.ts";
import type { RollupPlan } from "../plan/table.ts";
import type { DirtyMarks, RollupStore } from "./port.ts";

export interface RefreshDeps {
  readonly marks: DirtyMarks;
  readonly store: RollupStore;
  readonly clock: Pick<Clock, "monotonic">;
}

export interface RefreshOptions {
  /** Every bucket for which there are rows, beside the dirty ones. @default false */
  readonly all?: boolean;
  /** Buckets that were seen dirty and are not counted yet: kept here from one refresh to the next, whatever becomes of their marks. */
  readonly owed?: Set<number>;
  readonly signal?: AbortSignal;
}

/** Days of a backfill that hold little are counted together: twice as many as before, where those took no longer than that, milliseconds. */
const quickMs = 500;
/** What one statement counts at most. Each day is a part to write, and each bucket is named in the statement. */
const together = { days: 10, buckets: 1_440 } as const;

/**
 * Counts the dirty buckets of a rollup and takes their marks off; resolves with how many it counted. A row that a count has not seen was
 * confirmed after the count began, and marked after that: the generation is then no longer the one that was read before, the mark
 * stays, and the bucket is counted again. So a bucket is clean only when its last count has seen all of it, whoever else counts it too.
 *
 * A day is counted by itself, or with those behind it where they are quick: that bounds the memory that counting takes.
 *
 * @throws what the first day that failed has thrown, after the others were counted: one that is too large must not keep them waiting
 */
export async function refreshRollup(
  rollup: RollupPlan,
  { marks, store, clock }: RefreshDeps,
  { all = false, owed = new Set(), signal }: RefreshOptions = {},
): Promise<number> {
  const dirty = await marks.dirty(rollup.name);
  const marked = new Map(dirty.map((bucket) => [bucket.start, bucket]));
  for (const start of marked.keys()) owed.add(start);
  const starts = new Set([...owed, ...(all ? await store.buckets(rollup, signal) : [])]);
  const failures: unknown[] = [];
  let counted = 0;
  let days = byDay(starts);
  for (let most = 1; days.length > 0; ) {
    const some = inARow(days, { ...together, days: most });
    const began = clock.monotonic();
    try {
      counted += await count(some.flat());
      if (clock.monotonic() - began <= quickMs) most = Math.min(2 * some.length, together.days);
      else most = 1;
    } catch (error) {
      signal?.throwIfAborted();
      most = 1;
      if (some.length > 1) continue;
      failures.push(error);
    }
    days = days.slice(some.length);
  }
  if (failures.length > 0) throw failures[0];
  return counted;

  async function count(buckets: readonly number[]): Promise<number> {
    const counting = await store.recount(rollup, buckets, signal);
    await marks.clean(
      rollup.name,
      buckets.flatMap((start) => marked.get(start) ?? []),
    );
    for (const start of buckets) owed.delete(start);
    return counting;
  }
}
