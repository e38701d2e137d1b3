import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { createMemoryBuckets } from "../../src/limit/memory.ts";
import type { Buckets } from "../../src/limit/port.ts";
import { openRedisBuckets } from "../../src/limit/redis/buckets.ts";
import { redisUrl, unique } from "../support/services.ts";

interface Twin {
  /** Two clients of the same buckets. */
  readonly clients: readonly [Buckets, Buckets];
  close(): Promise<void>;
}

const twins: Record<string, () => Promise<Twin>> = {
  "in memory": async () => {
    const buckets = createMemoryBuckets(systemClock);
    return { clients: [buckets, buckets], close: () => buckets.close() };
  },
  "on Redis": async () => {
    const open = async () => openRedisBuckets({ url: await redisUrl(), logger: silentLogger });
    const clients = [await open(), await open()] as const;
    return { clients, close: async () => void (await Promise.all(clients.map((client) => client.close()))) };
  },
};

/** So slow that nothing comes in while a test runs. */
const still = { perSecond: 1e-6, burst: 10 };

describe.each(Object.entries(twins))("buckets %s", (_, open) => {
  let twin: Twin;
  let one: Buckets;
  let two: Buckets;
  beforeAll(async () => {
    twin = await open();
    [one, two] = twin.clients;
  });
  afterAll(() => twin.close());

  it("are full at first, and hand out no more than they hold", async () => {
    const name = unique();
    expect(await one.take(name, still, 4)).toEqual({ granted: 4, waitMs: 0, left: 6 });
    expect(await one.take(name, still, 4)).toEqual({ granted: 4, waitMs: 0, left: 2 });
    expect(await one.take(name, still, 4)).toMatchObject({ granted: 2, left: 0 });
    expect(await one.take(name, still, 4)).toMatchObject({ granted: 0 });
    expect((await one.take(name, still, 1)).waitMs).toBeGreaterThan(1_000_000);
  });

  it("hand out at most a burst at once, whatever is wanted", async () => {
    expect((await one.take(unique(), still, 1_000)).granted).toBe(10);
  });

  it("are shared by all clients under one name, and by none under another", async () => {
    const name = unique();
    await one.take(name, still, 7);
    expect((await two.take(name, still, 7)).granted).toBe(3);
    expect((await two.take(unique(), still, 7)).granted).toBe(7);
  });

  it("fill again, and say when there is another token", async () => {
    const name = unique();
    const rate = { perSecond: 20, burst: 2 };
    expect((await one.take(name, rate, 2)).granted).toBe(2);
    const { granted, waitMs } = await one.take(name, rate, 2);
    expect(granted).toBeLessThan(2);
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(50);
    await vi.waitFor(async () => expect((await two.take(name, rate, 2)).granted).toBeGreaterThan(0));
  });

  it("grant all clients together no more than the burst and the rate", async () => {
    const name = unique();
    const rate = { perSecond: 2_000, burst: 50 };
    const begun = performance.now();
    let granted = 0;
    const client = async (buckets: Buckets) => {
      for (let i = 0; i < 150; i++) {
        const grant = await buckets.take(name, rate, 7);
        granted += grant.granted;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await Promise.all([client(one), client(two), client(one)]);
    const seconds = (performance.now() - begun) / 1_000;
    expect(granted).toBeGreaterThanOrEqual(50);
    // Another clock fills the buckets: it may be a little faster than the one that is looked at here.
    expect(granted).toBeLessThanOrEqual(50 + 2_000 * seconds * 1.01 + 1);
  });

  it("take any number for a rate, also one below 1 a second", async () => {
    const name = unique();
    const rate = { perSecond: 0.5, burst: 1 };
    expect((await one.take(name, rate, 1)).granted).toBe(1);
    const { granted, waitMs } = await one.take(name, rate, 1);
    expect(granted).toBe(0);
    expect(waitMs).toBeGreaterThan(1_000);
    expect(waitMs).toBeLessThanOrEqual(2_000);
  });

  it("may be closed twice", async () => {
    const { clients, close } = await open();
    await clients[0].close();
    await close();
  });
});
