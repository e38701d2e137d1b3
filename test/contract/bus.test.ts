import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/bus/frame.ts";
import { MemoryBus } from "../../src/bus/memory.ts";
import { type Partition, partitionsOf } from "../../src/bus/partition.ts";
import type { Bus, Commit, Entry, Fence, Frame } from "../../src/bus/port.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { RetentionPlan } from "../../src/plan/plan.ts";
import { collect } from "../support/collect.ts";
import { redisClient } from "../support/redis.ts";
import { redisUrl } from "../support/services.ts";

interface Twin {
  readonly bus: Bus;
  /** What another program's XADD does. */
  plain(partition: Partition, fields: Record<string, string>): Promise<string>;
  close(): Promise<void>;
}

const twins: Record<string, () => Promise<Twin>> = {
  "in memory": async () => {
    const bus = new MemoryBus(systemClock);
    return { bus, plain: async (partition, fields) => bus.appendPlain(partition, fields), close: () => bus.close() };
  },
  "on Redis Streams": async () => {
    const url = await redisUrl();
    const bus = await openRedisBus({ url, logger: silentLogger });
    const redis = await redisClient(url);
    return {
      bus,
      plain: (partition, fields) => redis.xAdd(partition.log, "*", fields),
      close: async () => {
        await bus.close();
        redis.destroy();
      },
    };
  },
};

let streams = 0;
const freshPartition = (): Partition => {
  const layout = { kind: "partitioned", partitions: 1 } as const;
  return partitionsOf({ kind: "stream", name: `contract-${++streams}`, events: [], layout })[0] as Partition;
};

const envelope = (n: number) => ({
  id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
  type: "thing.happened",
  time: 1_700_000_000_000 + n,
  source: undefined,
  traceparent: undefined,
  data: { n },
});

const frame = (sequence: number, events = 3, producer = "p", incarnation = 1): Frame => ({
  producer,
  incarnation,
  sequence,
  ...encodeFrame(Array.from({ length: events }, (_, i) => envelope(i))),
});

/** One thing that happens to a partition while it is trimmed. */
const trimStep = fc.oneof(
  fc.record({ kind: fc.constant("store" as const), group: fc.constant(0), count: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant("read" as const), group: fc.nat(2), count: fc.integer({ min: 1, max: 15 }) }),
  fc.record({ kind: fc.constant("ack" as const), group: fc.nat(2), which: fc.nat(65_535) }),
  fc.record({
    kind: fc.constant("trim" as const),
    group: fc.constant(0),
    retention: fc.oneof(
      fc.record({ maxAgeMs: fc.constantFrom(0, 1, 5) }),
      fc.record({ maxEntries: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ maxBytes: fc.integer({ min: 1, max: 20_000 }) }),
      fc.record({ maxAgeMs: fc.constantFrom(0, 60_000), maxEntries: fc.integer({ min: 1, max: 20 }) }),
    ),
  }),
);

const nothing: Commit = { entries: [], counts: {}, deadLetters: [], states: new Map() };

describe.each(Object.entries(twins))("the bus %s", (_, open) => {
  let twin: Twin;
  let bus: Bus;
  beforeAll(async () => {
    twin = await open();
    bus = twin.bus;
  });
  afterAll(() => twin.close());

  const own = async (partition: Partition, owner = "w1", ttlMs = 60_000, pipeline = "pipe"): Promise<Fence> => {
    const acquired = await bus.acquire(partition, pipeline, { owner, ttlMs });
    if (acquired.kind !== "owned") throw new Error("taken");
    return { partition, pipeline, owner, epoch: acquired.epoch };
  };
  const group = (partition: Partition, pipeline: string) => own(partition, "w1", 60_000, pipeline);
  const ack = (fence: Fence, entries: readonly string[]) => bus.commit(fence, { ...nothing, entries });
  /** Trims until there is no more to remove, as the engine does. */
  const trim = async (partition: Partition, retention: RetentionPlan, groups: readonly string[] = []) => {
    for (let removed = 0; ; ) {
      const trimmed = await bus.trim(partition, { retention, groups });
      removed += trimmed.removed;
      if (!trimmed.more) return { removed, held: trimmed.held };
    }
  };
  /** Lets the clock pass the time of the newest entry. */
  const tick = async () => {
    const from = Date.now();
    await expect.poll(() => Date.now(), { interval: 1 }).toBeGreaterThan(from + 1);
  };
  const fill = async (partition: Partition, count: number) => {
    for (let n = 0; n < count; n++) await twin.plain(partition, { data: String(n) });
  };
  const readNew = async (fence: Fence, count = 100) => {
    const result = await bus.read(fence, { from: "new", after: "0-0", count });
    if (result.kind === "fenced") throw new Error("fenced");
    return result.entries;
  };
  const readPending = async (fence: Fence, after = "0-0") => {
    const result = await bus.read(fence, { from: "pending", after, count: 100 });
    if (result.kind === "fenced") throw new Error("fenced");
    return result.entries;
  };

  it("gives a lease to one owner at a time", async () => {
    const partition = freshPartition();
    await own(partition, "w1");
    const second = await bus.acquire(partition, "pipe", { owner: "w2", ttlMs: 60_000 });
    expect(second).toMatchObject({ kind: "taken", owner: "w1" });
  });

  it("raises the epoch when the owner changes, and fences the former owner's reads and commits", async () => {
    const partition = freshPartition();
    const first = await own(partition, "w1");
    await bus.append(partition, frame(0));
    const [entry] = await readNew(first);
    await bus.release(first);
    const second = await own(partition, "w2");
    expect(second.epoch).toBe(first.epoch + 1);
    expect(await bus.read(first, { from: "new", after: "0-0", count: 1 })).toEqual({ kind: "fenced" });
    expect(await bus.commit(first, { ...nothing, entries: [entry?.id ?? ""], counts: { delivered: 3 } })).toBe("fenced");
    expect((await bus.state(partition, "pipe")).counts).toEqual({ read: 3 });
    expect(await bus.renew(first, 60_000)).toBe(false);
  });

  it("lets another worker take over when a lease has run out", async () => {
    const partition = freshPartition();
    const first = await own(partition, "w1", 30);
    await expect.poll(async () => (await bus.acquire(partition, "pipe", { owner: "w2", ttlMs: 60_000 })).kind).toBe("owned");
    expect(await bus.renew(first, 60_000)).toBe(false);
  });

  it("hands what was read and not acked to the next owner, in order, and nothing twice as new", async () => {
    const partition = freshPartition();
    const first = await own(partition, "w1");
    for (let n = 0; n < 5; n++) await bus.append(partition, frame(n));
    const read = await readNew(first, 4);
    await bus.commit(first, { ...nothing, entries: [read[1]?.id ?? ""], counts: { delivered: 3 } });
    await bus.release(first);
    const second = await own(partition, "w2");
    expect((await readPending(second)).map(({ id }) => id)).toEqual([read[0]?.id, read[2]?.id, read[3]?.id]);
    expect((await readPending(second, read[2]?.id)).map(({ id }) => id)).toEqual([read[3]?.id]);
    expect(await readNew(second)).toHaveLength(1);
  });

  it("keeps fields byte for byte", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    const stored = frame(0);
    await bus.append(partition, stored);
    const fields = (await readNew(fence))[0]?.fields ?? [];
    expect(fields.map((field, i) => (i < 19 ? String(field) : field))).toEqual([
      "v",
      "1",
      "pid",
      "p",
      "inc",
      "1",
      "fs",
      "0",
      "n",
      "3",
      "c",
      "j",
      "t0",
      String(stored.minTime),
      "t1",
      String(stored.maxTime),
      "h",
      stored.checksum,
      "d",
      stored.body,
    ]);
  });

  it("counts events when they are read, so that read and outcomes balance at any moment", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    await bus.append(partition, frame(0, 3));
    await twin.plain(partition, { data: "{}" });
    const read = await readNew(fence);
    expect(await bus.state(partition, "pipe")).toMatchObject({
      pendingEntries: 2,
      pendingEvents: 4,
      lagEntries: 0,
      counts: { read: 4 },
    });
    await bus.commit(fence, { ...nothing, entries: [read[0]?.id ?? ""], counts: { delivered: 2, "dropped:x": 1 } });
    expect(await bus.state(partition, "pipe")).toMatchObject({
      pendingEntries: 1,
      pendingEvents: 1,
      counts: { read: 4, delivered: 2, "dropped:x": 1 },
    });
  });

  it("makes a commit once, however often it is sent", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    await bus.append(partition, frame(0));
    const [entry] = await readNew(fence);
    const letter = {
      entry: entry?.id ?? "",
      index: 1,
      stage: "admit",
      reason: "schema",
      error: "no",
      type: "t",
      eventId: "e",
      original: "{}",
    };
    const commit: Commit = {
      entries: [entry?.id ?? ""],
      counts: { delivered: 3 },
      deadLetters: [letter],
      states: new Map([["cart\nc1", "1"]]),
    };
    expect(await bus.commit(fence, commit)).toBe("committed");
    expect(await bus.commit(fence, commit)).toBe("committed");
    expect((await bus.state(partition, "pipe")).counts).toEqual({ read: 3, delivered: 3 });
    expect(await collect(bus.deadLetters(partition))).toMatchObject([letter]);
    expect(await bus.states(partition, "pipe", ["cart\nc1", "cart\nc2"])).toEqual(["1", null]);
  });

  it("keeps a whole entry in the dead letters with its own fields", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    const id = await twin.plain(partition, { data: "not json", more: "x" });
    await readNew(fence);
    const letter = {
      entry: id,
      index: 0,
      stage: "decode",
      reason: "not-json",
      error: "no",
      type: "",
      eventId: "e",
      original: undefined,
    };
    await bus.commit(fence, { ...nothing, entries: [id], deadLetters: [letter] });
    const [kept] = await collect(bus.deadLetters(partition));
    expect(kept).toMatchObject({ ...letter, pipeline: "pipe", partition: partition.name });
    expect(kept?.fields.map(([name, value]) => [name, String(value)])).toEqual([
      ["data", "not json"],
      ["more", "x"],
    ]);
  });

  it("stores a frame once, says where frames are missing, and lets a producer begin anew", async () => {
    const partition = freshPartition();
    expect(await bus.append(partition, frame(0))).toMatchObject({ kind: "stored" });
    expect(await bus.append(partition, frame(1))).toMatchObject({ kind: "stored" });
    expect(await bus.append(partition, frame(1))).toEqual({ kind: "duplicate" });
    expect(await bus.append(partition, frame(0))).toEqual({ kind: "duplicate" });
    expect(await bus.append(partition, frame(4))).toEqual({ kind: "gap", last: 1 });
    expect(await bus.append(partition, frame(0, 3, "p", 2))).toMatchObject({ kind: "stored" });
    expect(await bus.append(partition, frame(2, 3, "p", 1))).toEqual({ kind: "duplicate" });
    expect(await readNew(await own(partition))).toHaveLength(3);
  });

  it("wakes a reader that waits, and one that came too late to hear", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    const { signal } = new AbortController();
    const waiting = bus.wait([{ partition, after: "0-0" }], 30_000, signal);
    await bus.append(partition, frame(0));
    await waiting;
    const [entry] = await readNew(fence);
    await bus.wait([{ partition, after: "0-0" }], 30_000, signal);
    const other = freshPartition();
    const both = Promise.all([
      bus.wait([{ partition, after: entry?.id ?? "" }], 30_000, signal),
      bus.wait([{ partition: other, after: "0-0" }], 30_000, signal),
    ]);
    await bus.append(other, frame(0));
    await bus.append(partition, frame(1));
    await both;
  });

  it("trims what every group has finished with, up to the slowest one's first entry that it has not acked", async () => {
    const partition = freshPartition();
    const [fast, slow] = [await group(partition, "fast"), await group(partition, "slow")];
    await fill(partition, 10);
    await tick();
    const read = (await readNew(fast)).map(({ id }) => id);
    await ack(fast, read);
    const given = (await readNew(slow, 6)).map(({ id }) => id);
    await ack(slow, [...given.slice(0, 3), ...given.slice(4)]);
    expect(await trim(partition, { maxAgeMs: 0 })).toEqual({
      removed: 3,
      held: {
        group: "slow",
        entry: read[3],
        ageMs: expect.any(Number),
        pendingEntries: 1,
        lagEntries: 4,
        missing: false,
      },
    });
    expect((await readPending(slow)).map(({ id, fields }) => [id, fields?.length])).toEqual([[read[3], 2]]);
    expect((await readNew(slow)).map(({ id }) => id)).toEqual(read.slice(6));
    await ack(slow, read);
    expect(await trim(partition, { maxAgeMs: 0 })).toEqual({ removed: 7, held: undefined });
  });

  it("keeps what is finished for as long as the retention says, and the newest entries up to its size", async () => {
    const partition = freshPartition();
    const fence = await own(partition);
    await fill(partition, 300);
    await tick();
    await ack(
      fence,
      (await readNew(fence, 300)).map(({ id }) => id),
    );
    expect(await trim(partition, { maxAgeMs: 60_000 })).toEqual({ removed: 0, held: undefined });
    expect(await trim(partition, { maxAgeMs: 60_000, maxEntries: 1_000 })).toEqual({ removed: 0, held: undefined });
    expect(await trim(partition, { maxEntries: 120 })).toEqual({ removed: 180, held: undefined });
    expect(await trim(partition, { maxEntries: 120 })).toEqual({ removed: 0, held: undefined });
    const bySize = await trim(partition, { maxBytes: 1 });
    expect(bySize.removed).toBeGreaterThan(0);
    expect(bySize.removed).toBeLessThanOrEqual(119);
    expect(await trim(partition, { maxEntries: 1 })).toEqual({ removed: 119 - bySize.removed, held: undefined });
    expect(await trim(partition, { maxAgeMs: 0 })).toEqual({ removed: 1, held: undefined });
  });

  it("removes nothing of a stream that nobody reads, of one that is not there, and before a group that is still to come", async () => {
    const partition = freshPartition();
    expect(await trim(partition, { maxAgeMs: 0, maxEntries: 1, maxBytes: 1 })).toEqual({ removed: 0, held: undefined });
    await fill(partition, 5);
    await tick();
    expect(await trim(partition, { maxAgeMs: 0, maxEntries: 1, maxBytes: 1 })).toEqual({ removed: 0, held: undefined });
    const first = await group(partition, "first");
    await ack(
      first,
      (await readNew(first)).map(({ id }) => id),
    );
    expect(await trim(partition, { maxAgeMs: 0 }, ["first", "second"])).toMatchObject({
      removed: 0,
      held: { group: "second", pendingEntries: 0, missing: true },
    });
    const second = await group(partition, "second");
    expect(await trim(partition, { maxEntries: 1 }, ["first", "second"])).toMatchObject({
      removed: 0,
      held: { group: "second", missing: false },
    });
    expect(await readNew(second)).toHaveLength(5);
  });

  it("never removes an entry that a group has not read or not acked, whatever the groups do and the retention says", async () => {
    const entryOf = ({ id }: Entry) => id;
    await fc.assert(
      fc.asyncProperty(fc.array(trimStep, { minLength: 10, maxLength: 60 }), async (steps) => {
        const partition = freshPartition();
        const fences = [await group(partition, "a"), await group(partition, "b"), await group(partition, "c")];
        const acked = fences.map(() => new Set<string>());
        const stored: string[] = [];
        let removed = 0;
        for (const step of steps) {
          const fence = fences[step.group % fences.length] as Fence;
          const done = acked[step.group % fences.length] as Set<string>;
          if (step.kind === "store") for (let n = 0; n < step.count; n++) stored.push(await twin.plain(partition, { data: "x" }));
          if (step.kind === "read") await readNew(fence, step.count);
          if (step.kind === "ack") {
            const pending = (await readPending(fence)).map(entryOf);
            const some = pending.filter((_, i) => (step.which >> (i % 16)) & 1);
            await ack(fence, some);
            for (const id of some) done.add(id);
          }
          if (step.kind === "trim") removed += (await trim(partition, step.retention)).removed;
        }
        for (const [i, fence] of fences.entries()) {
          const pending = await readPending(fence);
          expect(pending.filter(({ fields }) => fields === undefined)).toEqual([]);
          const left = [...pending, ...(await readNew(fence, 1_000))].map(entryOf);
          expect(left).toEqual(stored.filter((id) => !acked[i]?.has(id)));
        }
        const unfinished = stored.findIndex((id) => acked.some((done) => !done.has(id)));
        const finished = unfinished < 0 ? stored.length : unfinished;
        expect(removed).toBeLessThanOrEqual(finished);
        await tick();
        expect(removed + (await trim(partition, { maxAgeMs: 0 })).removed).toBe(finished);
      }),
      { seed: 20_261_125, numRuns: 60 },
    );
  });

  it("forgets a producer that has been silent, which may then begin a new incarnation", async () => {
    const partition = freshPartition();
    await bus.append(partition, frame(0, 3, "old"));
    await bus.append(partition, frame(1, 3, "old"));
    expect(await bus.forgetProducers(partition, 60_000)).toBe(0);
    expect(await bus.append(partition, frame(1, 3, "old"))).toEqual({ kind: "duplicate" });
    await tick();
    expect(await bus.forgetProducers(partition, 0)).toBe(1);
    expect(await bus.append(partition, frame(2, 3, "old"))).toEqual({ kind: "gap", last: -1 });
    expect(await bus.append(partition, frame(0, 3, "old", 2))).toMatchObject({ kind: "stored" });
    expect(await bus.append(partition, frame(0, 3, "old", 2))).toEqual({ kind: "duplicate" });
  });

  it("stops waiting when it is told to", async () => {
    const stop = new AbortController();
    const waiting = bus.wait([{ partition: freshPartition(), after: "0-0" }], 30_000, stop.signal);
    stop.abort();
    await waiting;
  });
});
