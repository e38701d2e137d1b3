import type { RollupPlan } from "../plan/table.ts";

/** A bucket whose rows have changed since it was counted. */
export interface DirtyBucket {
  /** Where it begins, milliseconds since the epoch. */
  readonly start: number;
  /** Grows with every mark, over all buckets of the rollup: no bucket ever has one again, also where the store goes back. */
  readonly generation: number;
  /** When it was first marked, milliseconds since the epoch. */
  readonly since: number;
}

/**
 * Which buckets of rollups are to be counted again. Drivers: Redis, and the in-memory twin of the tests. Calls throw RetryableError
 * while the marks cannot be reached, and may all be repeated.
 */
export interface DirtyMarks {
  /** Marks buckets as dirty, each with a new generation. */
  mark(rollup: string, starts: readonly number[]): Promise<void>;
  /**
   * Whether all that was marked through this object is known still. False, once, where the store has gone back to an earlier state
   * since it was last asked: some of the marks that it has forgotten may have been of buckets that nobody has counted.
   */
  isComplete(rollup: string): Promise<boolean>;
  /** The buckets that are dirty, in no order. */
  dirty(rollup: string): Promise<readonly DirtyBucket[]>;
  /** Takes the marks off that still have the generation that is given: others have been made since. */
  clean(rollup: string, buckets: readonly DirtyBucket[]): Promise<void>;
  close(): Promise<void>;
}

/** Where the buckets of rollups are counted and kept. */
export interface RollupStore {
  /** Counts buckets of a few days from what the source holds now. Resolves with how many it counted: of old ones a part may be gone. */
  recount(rollup: RollupPlan, starts: readonly number[], signal?: AbortSignal): Promise<number>;
  /** The buckets for which there are rows, in the source or in the rollup. */
  buckets(rollup: RollupPlan, signal?: AbortSignal): Promise<readonly number[]>;
}
