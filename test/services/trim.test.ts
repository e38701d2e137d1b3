import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Partition, partitionsOf } from "../../src/bus/partition.ts";
import type { Bus } from "../../src/bus/port.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { silentLogger } from "../../src/core/log.ts";
import { openBusOnRedis } from "../support/bus-on-redis.ts";
import { startOwnRedis } from "../support/own-redis.ts";
import { redisClient } from "../support/redis.ts";

let opened: Awaited<ReturnType<typeof openBusOnRedis>>;
let bus: Bus;
let redis: (typeof opened)["redis"];

beforeAll(async () => {
  opened = await openBusOnRedis();
  ({ bus, redis } = opened);
});

afterAll(() => opened?.close());

let streams = 0;
const adopted = (): Partition => {
  const layout = { kind: "adopted", redisKey: `theirs:${++streams}` } as const;
  return partitionsOf({ kind: "stream", name: "theirs", events: [], layout })[0] as Partition;
};
const all = { retention: { maxAgeMs: 0 }, groups: [] };

/** Entries `1-1` to `1-count`, of `bytes` each. */
async function fill(log: string, count: number, bytes = 1): Promise<void> {
  // Sent in one go: they are stored in this order.
  await Promise.all(Array.from({ length: count }, (_, n) => redis.xAdd(log, `1-${n + 1}`, { data: "x".repeat(bytes) })));
}

/** A group of another program, which reads without acking or acks as it reads. */
async function read(log: string, group: string, count: number, ack: boolean): Promise<void> {
  await redis.sendCommand([
    "XREADGROUP",
    "GROUP",
    group,
    "c",
    "COUNT",
    String(count),
    ...(ack ? ["NOACK"] : []),
    "STREAMS",
    log,
    ">",
  ]);
}

describe("trimming a Redis stream", () => {
  it("asks the groups of other programs too", async () => {
    const partition = adopted();
    const { log } = partition;
    await fill(log, 20);
    await redis.xGroupCreate(log, "theirs", "0");
    await redis.xGroupCreate(log, "ours", "0");
    await read(log, "ours", 20, true);
    expect(await bus.trim(partition, all)).toMatchObject({ removed: 0, held: { group: "theirs", entry: "1-1", lagEntries: 20 } });
    await read(log, "theirs", 5, true);
    await read(log, "theirs", 1, false);
    expect(await bus.trim(partition, all)).toMatchObject({
      removed: 5,
      held: { group: "theirs", entry: "1-6", pendingEntries: 1 },
    });
    expect(await redis.xLen(log)).toBe(15);
  });

  it("keeps what a group that was set back is to read again, though its first pending entry is newer", async () => {
    const partition = adopted();
    const { log } = partition;
    await fill(log, 10);
    await redis.xGroupCreate(log, "g", "0");
    await read(log, "g", 8, true);
    await read(log, "g", 2, false);
    await redis.sendCommand(["XGROUP", "SETID", log, "g", "1-3"]);
    expect(await bus.trim(partition, all)).toMatchObject({ removed: 3, held: { group: "g", entry: "1-4" } });
    expect(await redis.xLen(log)).toBe(7);
  });

  it("compares ids exactly, also where they are larger than what a double holds", async () => {
    const partition = adopted();
    const { log } = partition;
    const base = 18_446_744_073_709_551_600n;
    for (let n = 0n; n < 6n; n++) await redis.xAdd(log, `7-${base + n}`, { data: "x" });
    await redis.xGroupCreate(log, "fast", "0");
    await redis.xGroupCreate(log, "slow", "0");
    await read(log, "fast", 6, true);
    await read(log, "slow", 3, true);
    const { removed } = await bus.trim(partition, all);
    // The one that was delivered last stays: the id behind it cannot be counted on.
    expect(removed).toBe(2);
    await read(log, "slow", 3, false);
    expect(await redis.xPending(log, "slow")).toMatchObject({ pending: 3, firstId: `7-${base + 3n}` });
  });

  it.each([
    ["small entries", 6_000, 1],
    ["large ones", 300, 50_000],
  ] as const)("does a bounded amount of work in a call, with %s, and asks for the next one", async (_, count, bytes) => {
    for (const retention of [{ maxAgeMs: 0 }, { maxEntries: 10 }, { maxBytes: 10 * (bytes + 100) }]) {
      const partition = adopted();
      const { log } = partition;
      await fill(log, count, bytes);
      await redis.xGroupCreate(log, "g", "0");
      await read(log, "g", count, true);
      let removed = 0;
      let calls = 0;
      for (let more = true; more; calls++) {
        const trimmed = await bus.trim(partition, { retention, groups: [] });
        expect(trimmed.removed).toBeLessThanOrEqual(1_000);
        ({ more } = trimmed);
        removed += trimmed.removed;
      }
      expect(calls).toBeGreaterThan(1);
      expect(removed + (await redis.xLen(log))).toBe(count);
      if ("maxAgeMs" in retention) expect(removed).toBe(count);
      if ("maxEntries" in retention) expect(removed).toBe(count - 10);
      if ("maxBytes" in retention)
        expect(Number(await redis.memoryUsage(log))).toBeLessThanOrEqual(retention.maxBytes * 1.5 + 20_000);
    }
  });

  it("works while Redis is full, since it is what makes room", async () => {
    const own = await startOwnRedis();
    const theirs = await redisClient(own.url);
    const onOwn = await openRedisBus({ url: own.url, logger: silentLogger });
    try {
      const partition = adopted();
      const { log } = partition;
      await Promise.all(Array.from({ length: 50 }, () => theirs.xAdd(log, "*", { data: "x".repeat(1_000) })));
      await theirs.xGroupCreate(log, "g", "0");
      await theirs.sendCommand(["XREADGROUP", "GROUP", "g", "c", "NOACK", "STREAMS", log, ">"]);
      await theirs.configSet("maxmemory", "1");
      await expect(theirs.xAdd(log, "*", { data: "x" })).rejects.toThrow(/OOM/);
      const request = { retention: { maxEntries: 5 }, groups: [] };
      for (let more = true; more; ) ({ more } = await onOwn.trim(partition, request));
      expect(await theirs.xLen(log)).toBe(5);
    } finally {
      await onOwn.close();
      theirs.destroy();
      await own.close();
    }
  });
});
