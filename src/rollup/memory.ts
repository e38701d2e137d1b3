import type { Clock } from "../core/clock.ts";
import type { DirtyBucket, Marks } from "./port.ts";

/** The in-memory twin of marks: shared by all of one process. */
export function createMemoryMarks(clock: Clock): Marks {
  const marks = new Map<string, Map<number, DirtyBucket>>();
  const of = (rollup: string) => marks.get(rollup) ?? new Map<number, DirtyBucket>();
  let generation = 0;
  return {
    async mark(rollup, starts) {
      const dirty = of(rollup);
      generation += 1;
      for (const start of starts) dirty.set(start, { start, generation, since: dirty.get(start)?.since ?? clock.now() });
      marks.set(rollup, dirty);
    },
    dirty: async (rollup) => [...of(rollup).values()],
    async clean(rollup, buckets) {
      const dirty = of(rollup);
      for (const bucket of buckets) if (dirty.get(bucket.start)?.generation === bucket.generation) dirty.delete(bucket.start);
    },
    close: async () => {},
  };
}
