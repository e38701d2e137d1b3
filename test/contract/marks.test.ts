import { randomInt } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { createMemoryMarks } from "../../src/rollup/memory.ts";
import type { DirtyMarks } from "../../src/rollup/port.ts";
import { openRedisMarks } from "../../src/rollup/redis/marks.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { snapshotOf } from "../support/redis-snapshot.ts";
import { redisUrl, unique } from "../support/services.ts";

interface Twin {
  /** Two clients of the same marks. */
  readonly clients: readonly [DirtyMarks, DirtyMarks];
  /** Keeps the marks of a rollup as they are now; what it resolves with puts them back. */
  snapshot(rollup: string): Promise<() => unknown>;
  close(): Promise<void>;
}

/** `urlOf`: the server of a rollup. */
const twoOn = async (url: string, urlOf: (key: string) => Promise<string> = async () => url): Promise<Twin> => {
  const clients = [
    await openRedisMarks({ url, logger: silentLogger }),
    await openRedisMarks({ url, logger: silentLogger }),
  ] as const;
  const snapshot = async (rollup: string) => {
    const prefix = `hr:{rollup:${rollup}}:`;
    return snapshotOf(await urlOf(prefix), prefix);
  };
  return { clients, snapshot, close: async () => void (await Promise.all(clients.map((client) => client.close()))) };
};

const twins: Record<string, () => Promise<Twin>> = {
  "in memory": async () => {
    const marks = createMemoryMarks(systemClock);
    return { clients: [marks, marks], snapshot: async () => marks.snapshot(), close: () => marks.close() };
  },
  "on Redis": async () => twoOn(await redisUrl()),
  "on a Redis Cluster": async () => {
    const cluster = await startCluster();
    const twin = await twoOn(cluster.masters[0].url, async (key) => (await cluster.ownerOf(key)).url);
    return {
      ...twin,
      close: async () => {
        await twin.close();
        await cluster.close();
      },
    };
  },
};

const hour = (n: number) => Date.UTC(2026, 2, 1, n);

describe.each(Object.entries(twins))("marks %s", (_, open) => {
  let twin: Twin;
  let one: DirtyMarks;
  let two: DirtyMarks;
  beforeAll(async () => {
    twin = await open();
    [one, two] = twin.clients;
  }, 120_000);
  afterAll(() => twin.close());
  const starts = async (marks: DirtyMarks, rollup: string) => (await marks.dirty(rollup)).map(({ start }) => start).sort();

  it("are none at first, and are seen by everyone once they are made", async () => {
    const rollup = unique();
    expect(await one.dirty(rollup)).toEqual([]);
    const before = Date.now();
    await one.mark(rollup, [hour(1), hour(3)]);
    await two.mark(rollup, [hour(2)]);
    expect(await starts(one, rollup)).toEqual([hour(1), hour(2), hour(3)]);
    expect(await two.dirty(rollup)).toEqual(expect.arrayContaining([...(await one.dirty(rollup))]));
    expect(await one.dirty(unique())).toEqual([]);
    // By the clock of the server, which is this machine's.
    for (const { since } of await one.dirty(rollup)) {
      expect(since).toBeGreaterThanOrEqual(before - 1);
      expect(since).toBeLessThanOrEqual(Date.now() + 1);
    }
  });

  it("are taken off where nothing was marked since, and there alone", async () => {
    const rollup = unique();
    await one.mark(rollup, [hour(1), hour(2)]);
    const read = await one.dirty(rollup);
    await two.mark(rollup, [hour(2), hour(3)]);
    await one.clean(rollup, read);
    expect(await starts(two, rollup)).toEqual([hour(2), hour(3)]);
    await one.clean(rollup, await two.dirty(rollup));
    expect(await starts(two, rollup)).toEqual([]);
  });

  it("keep since when a bucket is dirty, until it is clean", async () => {
    const rollup = unique();
    await one.mark(rollup, [hour(1)]);
    const [first] = await one.dirty(rollup);
    for (let i = 0; i < 20; i++) await two.mark(rollup, [hour(1)]);
    const [later] = await one.dirty(rollup);
    expect(later?.since).toBe(first?.since);
    expect(later?.generation).toBeGreaterThan(first?.generation ?? Number.NaN);
  });

  it("never give a bucket a generation that it had: one that was cleaned and marked anew is not taken for the old one", async () => {
    const rollup = unique();
    await one.mark(rollup, [hour(1)]);
    const read = await one.dirty(rollup);
    await two.clean(rollup, read);
    await two.mark(rollup, [hour(1)]);
    await one.clean(rollup, read);
    expect(await starts(one, rollup)).toEqual([hour(1)]);
  });

  it("lose none that is made while others are taken off", async () => {
    const rollup = unique();
    const marked = new Set<number>();
    const writer = async (marks: DirtyMarks) => {
      for (let i = 0; i < 100; i++) {
        const start = hour(randomInt(20));
        marked.add(start);
        await marks.mark(rollup, [start]);
      }
    };
    let seen = 0;
    const cleaner = async () => {
      for (let i = 0; i < 50; i++) {
        const read = await two.dirty(rollup);
        seen = Math.max(seen, ...read.map(({ generation }) => generation));
        await two.clean(rollup, read);
      }
    };
    await Promise.all([writer(one), writer(two), cleaner()]);
    await one.mark(rollup, [...marked]);
    expect(await starts(two, rollup)).toEqual([...marked].sort());
    expect(Math.min(...(await one.dirty(rollup)).map(({ generation }) => generation))).toBeGreaterThan(seen);
  });

  it("that are forgotten, since their store went back, are missed by whoever has made them, once", async () => {
    const rollup = unique();
    expect(await one.isComplete(rollup)).toBe(true);
    await one.mark(rollup, [hour(1)]);
    const putBack = await twin.snapshot(rollup);
    expect(await one.isComplete(rollup)).toBe(true);
    await one.mark(rollup, [hour(2)]);
    await putBack();
    expect(await starts(two, rollup)).toEqual([hour(1)]);
    // What comes then, from whom ever, does not hide it.
    for (let i = 0; i < 3; i++) await two.mark(rollup, [hour(3)]);
    for (let i = 0; i < 3; i++) await one.mark(rollup, [hour(4)]);
    expect(await one.isComplete(rollup)).toBe(false);
    expect(await one.isComplete(rollup)).toBe(true);
    await one.mark(rollup, [hour(2)]);
    expect(await one.isComplete(rollup)).toBe(true);
    expect(await one.isComplete(unique())).toBe(true);
  });

  it("that are made anew after their store went back are not taken for those that it has forgotten", async () => {
    const rollup = unique();
    await one.mark(rollup, [hour(1)]);
    const putBack = await twin.snapshot(rollup);
    await one.mark(rollup, [hour(1), hour(2)]);
    const forgotten = await two.dirty(rollup);
    await putBack();
    for (let i = 0; i < 3; i++) {
      await one.mark(rollup, [hour(1), hour(2)]);
      await two.clean(rollup, forgotten);
      expect(await starts(two, rollup)).toEqual([hour(1), hour(2)]);
    }
  });

  it("take empty lists for nothing, and may be closed twice", async () => {
    const rollup = unique();
    await one.mark(rollup, []);
    await one.clean(rollup, []);
    expect(await one.dirty(rollup)).toEqual([]);
    if (one !== two) await two.close();
    await two.close();
  });
});
