import { encodeFrame } from "../../src/bus/frame.ts";
import { MemoryBus } from "../../src/bus/memory/bus.ts";
import { type Partition, partitionsOf } from "../../src/bus/partition.ts";
import type { Bus, Commit, Entry, Fence, Frame, OutboxEntry, ReadResult } from "../../src/bus/port.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { openBusOnRedis } from "./bus-on-redis.ts";
import { numbered } from "./numbered.ts";
import { startCluster } from "./redis-cluster.ts";
import { snapshotOf } from "./redis-snapshot.ts";

/** A bus under the contract, and what others do to it. */
export interface Twin {
  readonly bus: Bus;
  /** What another program's XADD does. */
  plain(partition: Partition, fields: Record<string, string>): Promise<string>;
  /** What an operator's XDEL does. */
  remove(partition: Partition, ids: readonly string[]): Promise<void>;
  /** What an operator's XGROUP DESTROY does. */
  removeGroup(partition: Partition): Promise<void>;
  /** Keeps what the partition is now; what it returns puts it back, as a promoted replica that lagged does. */
  snapshot(partition: Partition): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** All drivers: each passes the same suites. */
export const twins: Record<string, () => Promise<Twin>> = {
  "in memory": async () => {
    const bus = new MemoryBus(systemClock);
    return {
      bus: numbered(bus),
      plain: async (partition, fields) => bus.appendPlain(partition, fields),
      remove: async (partition, ids) => bus.removeEntries(partition, ids),
      removeGroup: async (partition) => bus.removeGroup(partition, "pipe"),
      snapshot: async ({ prefix }) => {
        const putBack = bus.snapshot(prefix);
        return async () => putBack();
      },
      close: () => bus.close(),
    };
  },
  "on Redis Streams": async () => {
    const { url, bus, redis, close } = await openBusOnRedis();
    return {
      bus: numbered(bus),
      plain: (partition, fields) => redis.xAdd(partition.log, "*", fields),
      remove: async (partition, ids) => void (await redis.xDel(partition.log, [...ids])),
      removeGroup: async (partition) => void (await redis.xGroupDestroy(partition.log, "pipe")),
      snapshot: ({ prefix }) => snapshotOf(url, prefix),
      close,
    };
  },
  "on a Redis Cluster": async () => {
    const cluster = await startCluster();
    const bus = await openRedisBus({ url: cluster.masters[0].url, logger: silentLogger });
    const clientOf = async ({ log }: Partition) => (await cluster.ownerOf(log)).client;
    return {
      bus: numbered(bus),
      plain: async (partition, fields) => (await clientOf(partition)).xAdd(partition.log, "*", fields),
      remove: async (partition, ids) => void (await (await clientOf(partition)).xDel(partition.log, [...ids])),
      removeGroup: async (partition) => void (await (await clientOf(partition)).xGroupDestroy(partition.log, "pipe")),
      snapshot: async ({ log, prefix }) => snapshotOf((await cluster.ownerOf(log)).url, prefix),
      close: async () => {
        await bus.close();
        await cluster.close();
      },
    };
  },
};

let streams = 0;
/** A partition that no other test uses. */
export const freshPartition = (): Partition => {
  const layout = { kind: "partitioned", partitions: 1 } as const;
  return partitionsOf({ kind: "stream", name: `contract-${++streams}`, events: [], layout })[0] as Partition;
};

/** The one partition of an adopted stream that no other test uses. */
export const freshAdopted = (): Partition => {
  const layout = { kind: "adopted", redisKey: `adopted-${++streams}` } as const;
  return partitionsOf({ kind: "stream", name: "adopted", events: [], layout })[0] as Partition;
};

export const envelope = (n: number) => ({
  id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
  type: "thing.happened",
  time: 1_700_000_000_000 + n,
  source: undefined,
  traceparent: undefined,
  data: { n },
});

export const frame = (sequence: number, events = 3, producer = "p", incarnation = 1): Frame => ({
  producer,
  incarnation,
  sequence,
  ...encodeFrame(Array.from({ length: events }, (_, i) => envelope(i))),
});

/** Takes a partition that nobody owns. */
export async function ownOn(
  bus: Bus,
  partition: Partition,
  { owner = "w1", pipeline = "pipe", ttlMs = 60_000 } = {},
): Promise<Fence> {
  const acquired = await bus.acquire(partition, pipeline, { owner, ttlMs });
  if (acquired.kind !== "owned") throw new Error("taken");
  return { partition, pipeline, owner, epoch: acquired.epoch, tenure: acquired.tenure };
}

export async function readNewOn(bus: Bus, fence: Fence, count = 100): Promise<readonly Entry[]> {
  return entriesOf(await bus.read(fence, { from: "new", after: "0-0", count }));
}

export async function readPendingOn(
  bus: Bus,
  fence: Fence,
  { after = "0-0", suspects = 100 }: { readonly after?: string | undefined; readonly suspects?: number | undefined } = {},
): Promise<readonly Entry[]> {
  return entriesOf(await bus.read(fence, { from: "pending", after, count: 100, suspects }));
}

function entriesOf(result: ReadResult): readonly Entry[] {
  if (result.kind !== "entries") throw new Error(result.kind);
  return result.entries;
}

/** What waits in the outbox, all of it readable. */
export async function outboxOn(bus: Bus, partition: Partition, { after, count = 100 }: { after?: string; count?: number } = {}) {
  const records = await bus.outbox(partition, "pipe", { count, ...(after !== undefined && { after }) });
  return records.map((record): OutboxEntry => {
    if (record.to === undefined) throw new Error(record.fault);
    return record;
  });
}

/** A commit of nothing, to be filled in; `numbered` gives it its number. */
export const nothing: Commit = {
  number: 0,
  reads: 0,
  entries: [],
  counts: {},
  deadLetters: [],
  keyed: undefined,
  derived: [],
  checkpoint: undefined,
};
