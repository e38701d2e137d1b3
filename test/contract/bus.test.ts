import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeFrame } from "../../src/bus/frame.ts";
import { MemoryBus } from "../../src/bus/memory.ts";
import { type Partition, partitionsOf } from "../../src/bus/partition.ts";
import type { Bus, Commit, Fence, Frame } from "../../src/bus/port.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
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

const nothing: Commit = { entries: [], counts: {}, deadLetters: [], states: new Map() };

describe.each(Object.entries(twins))("the bus %s", (_, open) => {
  let twin: Twin;
  let bus: Bus;
  beforeAll(async () => {
    twin = await open();
    bus = twin.bus;
  });
  afterAll(() => twin.close());

  const own = async (partition: Partition, owner = "w1", ttlMs = 60_000): Promise<Fence> => {
    const acquired = await bus.acquire(partition, "pipe", { owner, ttlMs });
    if (acquired.kind !== "owned") throw new Error("taken");
    return { partition, pipeline: "pipe", owner, epoch: acquired.epoch };
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
    expect(await bus.append(partition, frame(1, 3, "p", 1))).toEqual({ kind: "superseded", incarnation: 2 });
    expect(await bus.append(partition, frame(2, 3, "p", 1))).toEqual({ kind: "superseded", incarnation: 2 });
    expect(await readNew(await own(partition))).toHaveLength(3);
  });

  it("appends at the level fsync what it appends at the level memory", async () => {
    const partition = freshPartition();
    const refusal = await bus.checkDurability({ kind: "fsync" }).catch((error) => error);
    if (refusal !== undefined) {
      // Redis before 7.2 under appendfsync everysec cannot: then no append may pretend that it could.
      const unsupported = { name: "ConfigError", code: "bus.unsupported" };
      expect(refusal).toMatchObject(unsupported);
      await expect(bus.append(partition, frame(0), { kind: "fsync" })).rejects.toMatchObject(unsupported);
      return;
    }
    expect(await bus.append(partition, frame(0), { kind: "fsync" })).toMatchObject({ kind: "stored" });
    expect(await bus.append(partition, frame(0), { kind: "fsync" })).toEqual({ kind: "duplicate" });
    expect(await bus.append(partition, frame(2), { kind: "fsync" })).toEqual({ kind: "gap", last: 0 });
    const many = [1, 2, 3, 4, 5].map((n) => bus.append(partition, frame(n), { kind: n % 2 ? "fsync" : "memory" }));
    for (const result of await Promise.all(many)) expect(result.kind).toMatch(/^(stored|gap)$/);
    expect((await readNew(await own(partition))).length).toBeGreaterThan(1);
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

  it("stops waiting when it is told to", async () => {
    const stop = new AbortController();
    const waiting = bus.wait([{ partition: freshPartition(), after: "0-0" }], 30_000, stop.signal);
    stop.abort();
    await waiting;
  });
});
