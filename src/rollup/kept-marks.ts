import type { Clock } from "../core/clock.ts";
import { minutes } from "../core/duration.ts";
import type { Logger } from "../core/log.ts";
import type { DirtyMarks } from "./port.ts";

/** How long marks are remembered: whatever is counted within it is not lost with a mark. */
const rememberedMs = minutes(10);
/** So many buckets of a rollup are remembered, the newest ones: a backfill may touch millions. */
const maxRemembered = 100_000;
/** Buckets of one call: a store may do nothing else meanwhile. */
const maxAtOnce = 5_000;

/** Marks that their store may lose. */
export interface KeptMarks extends DirtyMarks {
  /**
   * Marks once more what was marked of a rollup through this object in the last ten minutes, where the store has gone back to an earlier
   * state since: a bucket whose mark is gone would not be counted again. Resolves with how many buckets it marked.
   */
  renew(rollup: string): Promise<number>;
}

/** Remembers what it marks. */
export function keepMarks(marks: DirtyMarks, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }): KeptMarks {
  /** When each bucket of a rollup was marked, the latest last. */
  const remembered = new Map<string, Map<number, number>>();
  const owed = new Set<string>();

  const remember = (rollup: string, starts: readonly number[]): void => {
    const known = remembered.get(rollup) ?? new Map<number, number>();
    remembered.set(rollup, known);
    const now = clock.monotonic();
    for (const start of starts) {
      known.delete(start);
      known.set(start, now);
    }
    for (const [start, at] of known) {
      if (known.size <= maxRemembered && now - at <= rememberedMs) break;
      known.delete(start);
    }
  };

  return {
    mark(rollup, starts) {
      remember(rollup, starts);
      return marks.mark(rollup, starts);
    },
    isComplete: (rollup) => marks.isComplete(rollup),
    dirty: (rollup) => marks.dirty(rollup),
    clean: (rollup, buckets) => marks.clean(rollup, buckets),
    async renew(rollup) {
      remember(rollup, []);
      const starts = [...(remembered.get(rollup)?.keys() ?? [])];
      if (starts.length === 0) return 0;
      if (!(await marks.isComplete(rollup))) owed.add(rollup);
      if (!owed.has(rollup)) return 0;
      for (let i = 0; i < starts.length; i += maxAtOnce) await marks.mark(rollup, starts.slice(i, i + maxAtOnce));
      owed.delete(rollup);
      logger.warn(
        { rollup, buckets: starts.length },
        "marks of a rollup are gone, since Redis has gone back to an earlier state: buckets that were written to lately are counted again",
      );
      return starts.length;
    },
    close: () => marks.close(),
  };
}
