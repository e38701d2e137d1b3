import type { Partition } from "../../bus/partition.ts";
import type { LogOperations } from "../../bus/port.ts";
import type { Feeder } from "./feeder.ts";

/** Entries that may wait in a replay log. An owner may take all of them at once, and a frame holds up to 500 events. */
const maxWaiting = { frames: 40, plain: 5_000 } as const;
const eventsOfFrame = 500;

/** What a partition has to be read again, or was so far. */
export interface Part {
  readonly partition: string;
  /** The entry that it begins with, or would begin with. */
  readonly from: string;
  /** The last entry that was copied. */
  until: string | null;
  entries: number;
  events: number;
}

export interface RereadOptions {
  readonly pipeline: string;
  readonly rate: number;
  readonly dryRun: boolean;
  readonly feeder: Feeder;
  readonly signal: AbortSignal;
}

/**
 * Copies what the pipeline was given of the partition, from `part.from` on, to its replay log; what it has not been given yet
 * it reads anyway. `part` grows page by page, so that after a failure it says how far this came.
 */
export async function rereadPartition(
  bus: LogOperations,
  { partition, part }: { partition: Partition; part: Part },
  options: RereadOptions,
) {
  const { pipeline, rate, dryRun, feeder, signal } = options;
  const { lastDelivered } = await bus.state(partition, pipeline);
  const limit = partition.adopted ? maxWaiting.plain : maxWaiting.frames;
  // A tenth of a second's worth, since larger pages would come in bursts; and a page is read at one go, when nobody else is served.
  const count = Math.min(Math.ceil(rate / 10 / (partition.adopted ? 1 : eventsOfFrame)), limit / 4);
  let from = { id: part.from, inclusive: true };
  while (!signal.aborted) {
    if (!dryRun) await feeder.waitForRoom(partition, pipeline, { entries: count, limit });
    if (signal.aborted) return;
    const page = await bus.reread(partition, pipeline, { from, until: lastDelivered, count, dryRun });
    if (page.last === undefined) return;
    part.entries += page.entries;
    part.events += page.events;
    part.until = page.last;
    if (!dryRun) await feeder.pace(page.events);
    if (page.entries < count || page.last === lastDelivered) return;
    from = { id: page.last, inclusive: false };
  }
}

/** When the oldest entry was stored that would be read again, milliseconds since the epoch; `undefined` where there is none. */
export async function oldestOf(
  bus: LogOperations,
  partitions: readonly Partition[],
  { pipeline, from }: { readonly pipeline: string; readonly from: string },
): Promise<number | undefined> {
  const pages = await Promise.all(
    partitions.map(async (partition) => {
      const { lastDelivered } = await bus.state(partition, pipeline);
      return bus.reread(partition, pipeline, {
        from: { id: from, inclusive: true },
        until: lastDelivered,
        count: 1,
        dryRun: true,
      });
    }),
  );
  const times = pages.flatMap(({ last }) => (last === undefined ? [] : [Number(last.split("-")[0])]));
  return times.length === 0 ? undefined : Math.min(...times);
}
