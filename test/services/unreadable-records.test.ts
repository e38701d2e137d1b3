import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EntryFields } from "../../src/bus/fields.ts";
import { keys, type Partition } from "../../src/bus/partition.ts";
import type { Bus, Fence } from "../../src/bus/port.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { Relay } from "../../src/engine/commit/relay.ts";
import { openRedisBuckets } from "../../src/limit/redis/buckets.ts";
import { openRedisRegistry } from "../../src/registry/redis/registry.ts";
import { openRedisMarks } from "../../src/rollup/redis/marks.ts";
import { noTelemetry } from "../../src/telemetry/port.ts";
import { openBusOnRedis } from "../support/bus-on-redis.ts";
import { frame, freshPartition, nothing, ownOn, readNewOn, readPendingOn } from "../support/bus-twins.ts";
import { process } from "../support/process.ts";
import { unique } from "../support/services.ts";

let opened: Awaited<ReturnType<typeof openBusOnRedis>>;
let url: string;
let bus: Bus;
let redis: (typeof opened)["redis"];
beforeAll(async () => {
  opened = await openBusOnRedis();
  ({ url, bus, redis } = opened);
});
afterAll(() => opened?.close());

vi.setConfig({ testTimeout: 30_000 });
const garbage = "\u0000no number";

describe("a record of an outbox that nobody can read", () => {
  /** Frames for two logs: one, two, one, one. The second for `one` is then changed as it is told. */
  async function damaged(change: Readonly<Record<string, string | undefined>>) {
    const source = freshPartition();
    const [one, two] = [freshPartition(), freshPartition()];
    const fence = await ownOn(bus, source);
    const derived = [one, one, two, one].map((to, n) => ({ to, frame: frame(n, n + 1) }));
    expect(await bus.commit(fence, { ...nothing, number: 1, derived })).toBe("committed");
    const outbox = keys.outbox(source, "pipe");
    const records = (await redis.xRange(outbox, "-", "+")) ?? [];
    const write = async (at: number, fields: Readonly<Record<string, string | undefined>>) => {
      // At once: a relay may look meanwhile.
      const all = redis.multi().del(outbox);
      for (const [n, { id, message }] of records.entries()) {
        const kept = Object.entries({ ...message, ...(n === at && fields) }).filter(([, value]) => value !== undefined);
        all.xAdd(outbox, id, Object.fromEntries(kept) as Record<string, string>);
      }
      await all.exec();
    };
    await write(1, change);
    return { source, one, two, fence, outbox, bad: records[1]?.id as string, mend: () => write(1, {}) };
  }

  function relayOf(fence: Fence) {
    const said: string[] = [];
    const say = (fields: object, text: string) => void said.push(`${text} ${JSON.stringify(fields)}`);
    const gone = new AbortController();
    const tenure = { stop: gone.signal, gone: gone.signal, history: { known: { commits: 0, reads: 0 } } };
    const logger = { ...silentLogger, warn: say, error: say };
    const relay = new Relay(fence, { bus, clock: systemClock, logger, telemetry: noTelemetry }, tenure);
    const end = async () => {
      gone.abort();
      await relay.done;
    };
    return { relay, said, end };
  }

  const framesIn = async ({ log }: Partition) => {
    const entries = (await redis.sendCommand(["XRANGE", log, "-", "+"])) as unknown as [unknown, string[]][];
    return entries.map(([, fields]) => Number(new EntryFields(fields.map((field) => Buffer.from(field, "latin1"))).get("n")));
  };

  it.each<[string, Record<string, string | undefined>]>([
    ["to: no JSON", { to: "{" }],
    ["to: nothing", { to: undefined }],
    ["to: null", { to: "null" }],
    ["to: a number", { to: "7" }],
    [
      "to: a partition without a log",
      { to: '{"stream":"s","index":0,"name":"s/00","prefix":"p","adopted":false,"side":"main"}' },
    ],
    ["inc", { inc: garbage }],
    ["fs", { fs: "" }],
    ["fs: negative", { fs: "-1" }],
    ["n", { n: "1e3" }],
    ["t0", { t0: "yesterday" }],
    ["after", { after: "1" }],
    ["sum", { sum: "NaN" }],
  ])("holds up nothing but its own log, and goes on once it is mended (%s)", async (_, change) => {
    const { source, one, two, fence, outbox, bad, mend } = await damaged(change);
    const { relay, said, end } = relayOf(fence);
    relay.wake();
    await vi.waitUntil(async () => (await bus.outbox(source, "pipe", { count: 10 })).length === 2, { timeout: 20_000 });
    expect([await framesIn(one), await framesIn(two)]).toEqual([[1], [3]]);
    await vi.waitUntil(() => said.some((line) => line.startsWith("derived events for")), { timeout: 20_000 });
    const [told, ...others] = said.filter((line) => line.startsWith("derived events cannot be read in the outbox"));
    expect(others).toEqual([]);
    expect(told).toContain(`"outbox":"${outbox}"`);
    expect(told).toContain(`"first":"${bad}"`);
    await mend();
    await vi.waitUntil(async () => (await framesIn(one)).length === 3, { timeout: 20_000 });
    await end();
    expect(await framesIn(one)).toEqual([1, 2, 4]);
    expect((await bus.state(source, "pipe")).vanished).toBe(0);
  });

  it("is counted as vanished where somebody gives it up", async () => {
    const { source, one, fence, outbox, bad } = await damaged({ to: "{" });
    await redis.xDel(outbox, bad);
    const { relay, end } = relayOf(fence);
    relay.wake();
    await vi.waitUntil(async () => (await framesIn(one)).length === 2, { timeout: 20_000 });
    await end();
    expect(await framesIn(one)).toEqual([1, 4]);
    expect((await bus.state(source, "pipe")).vanished).toBe(2);
  });
});

describe("what a pipeline keeps in Redis beside a log, and somebody has made no number,", () => {
  /** A partition with two frames of three events, its owner, and the first of the frames, given out. */
  async function begun() {
    const partition = freshPartition();
    const fence = await ownOn(bus, partition);
    for (let n = 0; n < 2; n++) await bus.append(partition, frame(n));
    const [entry] = await readNewOn(bus, fence, 1);
    return { partition, fence, entry: entry?.id as string };
  }

  it("a counter of the ledger, begins anew: the commit is whole, and the balance tells", async () => {
    const { partition, fence, entry } = await begun();
    const ledger = keys.ledger(partition, "pipe");
    await redis.hSet(ledger, { delivered: garbage, read: garbage });
    const letter = { entry, index: 0, stage: "s", reason: "r", error: "e", type: "t", eventId: "e", original: "{}" };
    const commit = {
      ...nothing,
      number: 1,
      reads: 1,
      entries: [entry],
      counts: { delivered: 3, "dead:r": 1 },
      deadLetters: [letter],
    };
    expect(await bus.commit(fence, commit)).toBe("committed");
    expect(await redis.xLen(keys.deadLetters(partition))).toBe(1);
    const [next] = await readNewOn(bus, fence, 1);
    expect(await bus.commit(fence, { ...nothing, number: 2, reads: 2, entries: [next?.id as string] })).toBe("committed");
    expect((await bus.state(partition, "pipe")).counts).toEqual({ "read": 3, "delivered": 3, "dead:r": 1 });
  });

  it("the counters of a log and what it knows of a producer, keep nobody from storing", async () => {
    const { partition } = await begun();
    await redis.hSet(keys.meta(partition), { frames: garbage, events: garbage });
    expect(await bus.append(partition, frame(2))).toMatchObject({ kind: "stored" });
    await redis.hSet(keys.producers(partition), "p", garbage);
    expect(await bus.append(partition, frame(3))).toEqual({ kind: "gap", last: -1 });
    expect(await bus.append(partition, frame(0, 3, "p", 2))).toMatchObject({ kind: "stored" });
  });

  it("when a lease ends, is over: the next one takes it", async () => {
    const { partition } = await begun();
    const lease = keys.lease(partition, "pipe");
    await redis.hSet(lease, { ttl: garbage });
    expect(await bus.acquire(partition, "pipe", { owner: "w2", ttlMs: 1_000 })).toMatchObject({ kind: "taken", owner: "w1" });
    await redis.hSet(lease, { until: garbage });
    expect(await bus.acquire(partition, "pipe", { owner: "w2", ttlMs: 1_000 })).toMatchObject({ kind: "owned" });
  });

  it("how many events an entry holds, and the newest page of names, keep nobody from reading or committing", async () => {
    const { partition, fence, entry } = await begun();
    await redis.hSet(keys.open(partition, "pipe"), entry, garbage);
    await redis.hSet(keys.lease(partition, "pipe"), { names: garbage });
    expect(await readPendingOn(bus, fence)).toHaveLength(1);
    expect(await bus.state(partition, "pipe")).toMatchObject({ pendingEntries: 1 });
    expect(await bus.names(fence, 3)).toMatchObject({ newest: -1 });
    const names = { page: 4, out: 1, ttlMs: 60_000, records: Buffer.alloc(12) };
    expect(await bus.commit(fence, { ...nothing, number: 1, reads: 1, entries: [entry], names })).toBe("committed");
    expect(await bus.names(fence, 1)).toMatchObject({ newest: 4 });
  });

  it("a mark of a rollup, holds up no other: a bucket is counted and is clean, what is none is told once", async () => {
    const said: object[] = [];
    const marks = await openRedisMarks({ url, logger: { ...silentLogger, error: (fields: object) => void said.push(fields) } });
    try {
      const rollup = unique();
      const hash = `hr:{rollup:${rollup}}:dirty`;
      await marks.mark(rollup, [1_000, 2_000]);
      await redis.hSet(hash, { [garbage]: "1 1", "3000": garbage, "generation": garbage });
      const dirty = await marks.dirty(rollup);
      await marks.dirty(rollup);
      expect(dirty.map(({ start }) => start).sort()).toEqual([1_000, 2_000, 3_000]);
      expect(said).toEqual([{ rollup, hash, field: garbage }]);
      await marks.mark(rollup, [2_000]);
      await marks.clean(rollup, dirty);
      expect((await marks.dirty(rollup)).map(({ start }) => start)).toEqual([2_000]);
    } finally {
      await marks.close();
    }
  });
});

describe("what all processes share, and somebody has made unreadable,", () => {
  it("an entry of the registry, hides no other, ends in time, and is whole again with the next beat", async () => {
    const registry = await openRedisRegistry({ url, clock: systemClock, logger: silentLogger });
    try {
      for (const name of ["ghost", "broken", "sound"]) await registry.announce(process(name), 60_000);
      await redis.hSet("hr:{registry}:ttl", "ghost", garbage);
      await redis.zAdd("hr:{registry}:until", { score: Number.POSITIVE_INFINITY, value: "ghost" });
      await redis.hSet("hr:{registry}:facts", "broken", garbage);
      const live = new Map((await registry.live()).map(({ instance, leftMs }) => [instance, leftMs]));
      expect([...live.keys()].sort()).toEqual(["ghost", "sound"]);
      expect(live.get("ghost")).toBeLessThanOrEqual(10_000);
      await registry.announce(process("broken"), 60_000);
      expect((await registry.live()).map(({ instance }) => instance)).toContain("broken");
    } finally {
      await registry.close();
    }
  });

  it.each(["-1e300", "-inf", "inf", "nan", "1e300", garbage])(
    "the bucket of a limit, lets through what its rate allows (%j)",
    async (text) => {
      const buckets = await openRedisBuckets({ url, logger: silentLogger });
      try {
        const name = unique();
        const rate = { perSecond: 200, burst: 10 };
        await redis.hSet(`hr:{limit:${name}}`, { tokens: text, at: text });
        expect((await buckets.take(name, rate, 10)).granted).toBeLessThanOrEqual(10);
        await vi.waitFor(async () => expect((await buckets.take(name, rate, 1)).granted).toBe(1), {
          timeout: 5_000,
          interval: 10,
        });
      } finally {
        await buckets.close();
      }
    },
  );

  it("how many marks a worker has made, has it mark once more what it has marked, once", async () => {
    const marks = await openRedisMarks({ url, logger: silentLogger });
    try {
      const rollup = unique();
      await marks.mark(rollup, [1_000]);
      for (const key of await redis.keys(`hr:{rollup:${rollup}}:marks:*`)) await redis.set(key, garbage);
      expect(await marks.isComplete(rollup)).toBe(false);
      await marks.mark(rollup, [1_000]);
      expect(await marks.isComplete(rollup)).toBe(true);
    } finally {
      await marks.close();
    }
  });
});
