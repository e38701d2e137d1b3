import type { Clock } from "../core/clock.ts";
import type { DirtyBucket, DirtyMarks } from "./port.ts";

interface MemoryMarks extends DirtyMarks {
  /** Keeps the marks as they are now; what it returns puts them back, as a store that goes back does. */
  snapshot(): () => void;
}

/** The in-memory twin of marks: shared by all of one process. */
export function createMemoryMarks(clock: Clock): MemoryMarks {
  let marks = new Map<string, Map<number, DirtyBucket>>();
  const copy = () => new Map([...marks].map(([rollup, dirty]) => [rollup, new Map(dirty)]));
  const of = (rollup: string) => marks.get(rollup) ?? new Map<number, DirtyBucket>();
  const behind = new Set<string>();
  let generation = 0;
  return {
    async mark(rollup, starts) {
      const dirty = of(rollup);
      generation += 1;
      for (const start of starts) dirty.set(start, { start, generation, since: dirty.get(start)?.since ?? clock.now() });
      marks.set(rollup, dirty);
    },
    isComplete: async (rollup) => !behind.delete(rollup),
    dirty: async (rollup) => [...of(rollup).values()],
    async clean(rollup, buckets) {
      const dirty = of(rollup);
      for (const bucket of buckets) if (dirty.get(bucket.start)?.generation === bucket.generation) dirty.delete(bucket.start);
    },
    close: async () => {},
    snapshot() {
      const kept = copy();
      return () => {
        for (const rollup of marks.keys()) behind.add(rollup);
        marks = kept;
      };
    },
  };
}
