import { byAge, type Facts } from "../../registry/port.ts";

/** A worker that counts. */
export interface LiveWorker extends Pick<Facts, "instance" | "since"> {
  /** The pipelines that it runs: name to number of partitions. */
  readonly partitions: Readonly<Record<string, number>>;
}

/**
 * How many partitions of each pipeline `instance` is to hold. All who see the same workers agree:
 *
 * - the shares of a pipeline add up to its partitions, and no two of them differ by more than one;
 * - what does not divide goes to those who have the least so far, the oldest first. So where all run the same pipelines,
 *   their totals do not differ by more than one either.
 *
 * Of one pipeline only that moves which has to: a worker that joins raises no other's share, and one that leaves lowers none.
 */
export function fairShare(instance: string, workers: readonly LiveWorker[]): ReadonlyMap<string, number> {
  const share = new Map<string, number>();
  const totals = new Map<string, number>();
  const totalOf = (worker: LiveWorker) => totals.get(worker.instance) ?? 0;
  const oldestFirst = workers.toSorted(byAge);
  const pipelines = new Set(workers.flatMap(({ partitions }) => Object.keys(partitions)));
  for (const pipeline of [...pipelines].sort()) {
    const those = oldestFirst.filter(({ partitions }) => Object.hasOwn(partitions, pipeline));
    const count = Math.max(...those.map(({ partitions }) => partitions[pipeline] ?? 0));
    // The sort is stable: among equals the oldest stays first.
    for (const [place, worker] of those.toSorted((a, b) => totalOf(a) - totalOf(b)).entries()) {
      const part = Math.ceil((count - place) / those.length);
      totals.set(worker.instance, totalOf(worker) + part);
      if (worker.instance === instance) share.set(pipeline, part);
    }
  }
  return share;
}
