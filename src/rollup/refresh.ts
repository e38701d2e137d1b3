import { byDay } from "../plan/rollup.ts";
import type { RollupPlan } from "../plan/table.ts";
import type { DirtyMarks, RollupStore } from "./port.ts";

export interface RefreshDeps {
  readonly marks: DirtyMarks;
  readonly store: RollupStore;
}

export interface RefreshOptions {
  /** Every bucket for which there are rows, beside the dirty ones. @default false */
  readonly all?: boolean;
  /** Buckets that were seen dirty and are not counted yet: kept here from one refresh to the next, whatever becomes of their marks. */
  readonly owed?: Set<number>;
  readonly signal?: AbortSignal;
}

/**
 * Counts the dirty buckets of a rollup and takes their marks off; resolves with how many it counted. A row that a count has not seen was
 * confirmed after the count began, and marked after that: the generation is then no longer the one that was read before, the mark
 * stays, and the bucket is counted again. So a bucket is clean only when its last count has seen all of it, whoever else counts it too.
 *
 * @throws what the first day that failed has thrown, after the others were counted: one that is too large must not keep them waiting
 */
export async function refreshRollup(
  rollup: RollupPlan,
  { marks, store }: RefreshDeps,
  { all = false, owed = new Set(), signal }: RefreshOptions = {},
): Promise<number> {
  const dirty = await marks.dirty(rollup.name);
  const marked = new Map(dirty.map((bucket) => [bucket.start, bucket]));
  for (const start of marked.keys()) owed.add(start);
  const starts = new Set([...owed, ...(all ? await store.buckets(rollup, signal) : [])]);
  const failures: unknown[] = [];
  let counted = 0;
  for (const day of byDay(starts)) {
    try {
      counted += await store.recount(rollup, day, signal);
      await marks.clean(
        rollup.name,
        day.flatMap((start) => marked.get(start) ?? []),
      );
      for (const start of day) owed.delete(start);
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return counted;
}
