import { readFile } from "node:fs/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Envelope } from "../../src/bus/envelope.ts";
import { partitionsOf } from "../../src/bus/partition.ts";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { RetryableError } from "../../src/core/errors.ts";
import { checksum } from "../../src/core/hash.ts";
import { silentLogger } from "../../src/core/log.ts";
import { type OpenProducerOptions, openProducer } from "../../src/open-producer.ts";
import { framesOf } from "../support/frames-of.ts";
import { freePort } from "../support/free-port.ts";
import { type OwnRedis, startOwnRedis } from "../support/own-redis.ts";
import { redisClient } from "../support/redis.ts";
import { thingHappened, things } from "../support/things.ts";

const stream = things(4);
const partitions = partitionsOf(stream.plan);
const thing = (n: number) => thingHappened({ key: `k${n % 50}`, n, orders: [] });

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function ownRedis(settings: Readonly<Record<string, string>> = {}): Promise<OwnRedis> {
  const redis = await startOwnRedis(settings);
  open.push(() => redis.close());
  return redis;
}

async function start({ url }: OwnRedis, options: Partial<OpenProducerOptions> = {}) {
  const told: [message: string, fields: object][] = [];
  const tell = (fields: object, message: string) => void told.push([message, fields]);
  const stop = new AbortController();
  const producer = await openProducer(stream, {
    redisUrl: url,
    lingerMs: 1,
    signal: stop.signal,
    logger: { debug: tell, info: tell, warn: tell, error: tell },
    ...options,
  });
  open.push(() => {
    stop.abort();
    return producer.close().catch(() => {});
  });
  return { producer, told };
}

async function admin({ url }: OwnRedis) {
  const client = await redisClient(url);
  open.push(async () => client.destroy());
  return client;
}

/** The numbers of what is stored, by partition, in order. */
async function numbers({ url }: OwnRedis): Promise<readonly (readonly number[])[]> {
  const bus = await openRedisBus({ url, logger: silentLogger });
  try {
    const read = async (partition: (typeof partitions)[number]) => (await framesOf(bus, partition)).flat().map(numberOf);
    return await Promise.all(partitions.map(read));
  } finally {
    await bus.close();
  }
}
const numberOf = ({ data }: Envelope) => (data as { readonly n: number }).n;

/** Sends without a pause until it is told to stop; says what was accepted, what was acknowledged and what was refused. */
function load(producer: Awaited<ReturnType<typeof start>>["producer"]) {
  const accepted: number[] = [];
  const acknowledged = new Set<number>();
  const refusals: unknown[] = [];
  let isOver = false;
  const sending = (async () => {
    for (let n = 0; !isOver; n++) {
      try {
        const { stored } = await producer.send(thing(n));
        accepted.push(n);
        stored.then(
          () => acknowledged.add(n),
          () => {},
        );
      } catch (error) {
        refusals.push(error);
      }
      // Enough to fill every frame, and a turn for what comes in.
      if (n % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (refusals.length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  return {
    accepted,
    acknowledged,
    refusals,
    stop: async () => {
      isOver = true;
      await sending;
    },
  };
}

const ascending = (all: readonly number[]) => [...all].sort((a, b) => a - b);

describe("at the level fsync", () => {
  it.each(["always", "everysec"])(
    "every acknowledged event is there after a kill -9 under load (appendfsync %s)",
    async (appendfsync) => {
      const redis = await ownRedis({ appendfsync });
      if (appendfsync !== "always" && (await refusesWithoutWaitAof(redis))) return;
      const { producer, told } = await start(redis, { durability: "fsync", maxBufferedBytes: 2_000_000 });
      const sending = load(producer);
      for (let round = 1; round <= 2; round++) {
        const before = sending.acknowledged.size;
        await vi.waitUntil(() => sending.acknowledged.size > before + 3_000, { timeout: 20_000, interval: 5 });
        await redis.kill();
        const known = new Set(sending.acknowledged);
        await redis.restart();
        const there = new Set((await numbers(redis)).flat());
        expect([...known].filter((n) => !there.has(n))).toEqual([]);
      }
      await sending.stop();
      await producer.close();
      const stored = await numbers(redis);
      // Nothing was refused, so all that was sent is there, once, and each partition in the order in which it was sent.
      expect(ascending(stored.flat())).toEqual(sending.accepted);
      for (const partition of stored) expect(partition).toEqual(ascending(partition));
      expect(sending.acknowledged.size).toBe(sending.accepted.length);
      expect(sending.refusals).toEqual([]);
      expect(told.filter(([message]) => message.includes("are gone"))).toEqual([]);
    },
  );

  it("is refused where Redis writes no log to disk, with the way out", async () => {
    const redis = await ownRedis({ appendonly: "no" });
    await expect(start(redis, { durability: "fsync" })).rejects.toMatchObject({
      name: "ConfigError",
      code: "bus.unsupported",
      message: expect.stringContaining("no log to disk"),
      hint: expect.stringContaining("appendonly"),
    });
    await start(redis);
  });

  it("stops where Redis ceases to write its log: nothing is acknowledged that is not on disk", async () => {
    const redis = await ownRedis();
    const { producer } = await start(redis, { durability: "fsync" });
    await (await producer.send(thing(0))).stored;
    await (await admin(redis)).configSet("appendonly", "no");
    const { stored } = await producer.send(thing(1));
    await expect(stored).rejects.toMatchObject({ name: "ConfigError" });
  });

  it("confirms a frame that was stored over a connection that is gone", async () => {
    // Without an fsync of its own accord, Redis confirms only what it is made to; so an answer in good time would be wrong.
    const redis = await ownRedis({ appendfsync: "no" });
    if (await refusesWithoutWaitAof(redis)) return;
    const client = await admin(redis);
    const { producer, told } = await start(redis, { durability: "fsync", ackTimeoutMs: 300 });
    const { stored } = await producer.send(thing(0));
    let isStored = false;
    stored.then(
      () => {
        isStored = true;
      },
      () => {},
    );
    await vi.waitUntil(() => told.length > 0, { timeout: 10_000 });
    expect(told[0]).toEqual([
      "cannot store events, trying again",
      expect.objectContaining({ error: expect.stringContaining("to disk") }),
    ]);
    await client.sendCommand(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // It is there, and it was sent again over a connection that has written nothing: still no acknowledgement.
    await vi.waitUntil(async () => (await appends(client)) >= 4, { timeout: 20_000, interval: 50 });
    expect(isStored).toBe(false);
    await client.configSet("appendfsync", "always");
    await stored;
    expect((await numbers(redis)).flat()).toEqual([0]);
  });
});

/** How often a frame was appended, for the first time or again. */
async function appends(client: Awaited<ReturnType<typeof redisClient>>): Promise<number> {
  const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await client.info("commandstats"));
  return Number(calls?.[1] ?? 0);
}

/** On a Redis older than 7.2, which cannot be asked, the level has to be refused: then true. */
async function refusesWithoutWaitAof(redis: OwnRedis): Promise<boolean> {
  const client = await admin(redis);
  if (!/redis_version:7\.[01]\./.test(await client.info("server"))) return false;
  await expect(start(redis, { durability: "fsync" })).rejects.toMatchObject({
    name: "ConfigError",
    code: "bus.unsupported",
    hint: expect.stringMatching(/appendfsync to always.*7\.2/),
  });
  return true;
}

describe("at the level replica", () => {
  it("is refused where too few replicas confirm; an event waits for one, and is stored once", async () => {
    const redis = await ownRedis();
    const level = { durability: "replica", ackTimeoutMs: 500 } as const;
    const few = { name: "RetryableError", code: "bus.unconfirmed", message: expect.stringContaining("0 of 1 replicas") };
    await expect(start(redis, level)).rejects.toMatchObject(few);
    const replica = await ownRedis({ replicaof: `127.0.0.1 ${redis.port}` });
    const { producer, told } = await start(redis, level).catch(async (error) => {
      if (!(error instanceof RetryableError)) throw error;
      // It takes a moment until the replica has a copy.
      return vi.waitFor(() => start(redis, level), { timeout: 20_000, interval: 100 });
    });
    await (await producer.send(thing(0))).stored;
    replica.freeze();
    const { stored } = await producer.send(thing(1));
    await vi.waitUntil(() => told.length > 0, { timeout: 20_000 });
    expect(told[0]?.[1]).toMatchObject({ error: expect.stringContaining("0 of 1 replicas") });
    replica.thaw();
    await stored;
    expect(ascending((await numbers(redis)).flat())).toEqual([0, 1]);
    const [client, copy] = [await admin(redis), await admin(replica)];
    for (const { log } of partitions) expect(await copy.xRange(log, "-", "+")).toEqual(await client.xRange(log, "-", "+"));
  });
});

describe("a Redis that", () => {
  it.each([
    ["shorter than its patience", 5_000, 2_000],
    ["longer than its patience", 500, 4_000],
  ])(
    "stands still, for %s, costs no event and stores none twice; send refuses and says when to come again",
    async (_, ackTimeoutMs, ms) => {
      const redis = await ownRedis();
      const { producer } = await start(redis, {
        ackTimeoutMs,
        maxBufferedBytes: 1_000_000,
        maxWaitMs: 100,
        breaker: { slowMs: 500, openMs: 300 },
      });
      const sending = load(producer);
      await vi.waitUntil(() => sending.acknowledged.size > 2_000, { timeout: 20_000, interval: 5 });
      const before = sending.refusals.length;
      redis.freeze();
      const frozen = performance.now();
      await vi.waitUntil(() => performance.now() - frozen > ms, { timeout: 20_000 });
      const held = sending.accepted.length - sending.acknowledged.size;
      redis.thaw();
      const during = sending.refusals.slice(before);
      expect(during.length).toBeGreaterThan(10);
      for (const refusal of during) {
        expect(refusal).toMatchObject({
          name: "RetryableError",
          code: expect.stringMatching(/^(producer\.overloaded|service\.unreachable)$/),
          retryAfterMs: expect.any(Number),
        });
      }
      expect(during.some((refusal) => (refusal as RetryableError).code === "service.unreachable")).toBe(true);
      // An event of this size measures 120 bytes at least.
      expect(held).toBeLessThan(1_000_000 / 120);
      const then = sending.acknowledged.size;
      await vi.waitUntil(() => sending.acknowledged.size > then + 5_000, { timeout: 20_000, interval: 5 });
      await sending.stop();
      await producer.close();
      const stored = await numbers(redis);
      expect(ascending(stored.flat())).toEqual(sending.accepted);
      for (const partition of stored) expect(partition).toEqual(ascending(partition));
    },
  );

  it("is full is told of once, and gets every event when there is room", async () => {
    const redis = await ownRedis();
    const client = await admin(redis);
    const { producer, told } = await start(redis);
    await client.configSet("maxmemory", "1");
    const all = await Promise.all(Array.from({ length: 200 }, (_, n) => producer.send(thing(n))));
    await vi.waitUntil(async () => (await appends(client)) > 8, { timeout: 20_000, interval: 20 });
    expect(told).toEqual([
      [
        "cannot store events, trying again",
        { partition: expect.any(String), error: expect.stringMatching(/OOM/), hint: expect.stringContaining("maxmemory") },
      ],
    ]);
    await client.configSet("maxmemory", "0");
    await Promise.all(all.map(({ stored }) => stored));
    expect(told.map(([message]) => message)).toEqual(["cannot store events, trying again", "events are stored again"]);
    expect(ascending((await numbers(redis)).flat())).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  it("takes no writes at present (it became a replica) is waited for", async () => {
    const redis = await ownRedis();
    const client = await admin(redis);
    const { producer, told } = await start(redis);
    await client.sendCommand(["REPLICAOF", "127.0.0.1", String(await freePort())]);
    const { stored } = await producer.send(thing(0));
    await vi.waitUntil(() => told.length > 0, { timeout: 10_000 });
    expect(told[0]?.[1]).toMatchObject({ error: expect.stringContaining("READONLY") });
    await client.sendCommand(["REPLICAOF", "NO", "ONE"]);
    await stored;
    expect((await numbers(redis)).flat()).toEqual([0]);
  });

  it("holds something else under a key of the stream, or lacks a right, stops the producer with the way out", async () => {
    const redis = await ownRedis();
    const client = await admin(redis);
    for (const { log } of partitions) await client.set(log, "not a stream");
    const { producer } = await start(redis);
    await expect((await producer.send(thing(0))).stored).rejects.toMatchObject({
      name: "ConfigError",
      message: expect.stringContaining("WRONGTYPE"),
      hint: expect.stringContaining("move it away"),
    });
    await client.flushAll();
    await client.sendCommand(["ACL", "SETUSER", "ada", "on", ">secret", "~*", "+@all", "-xadd"]);
    const url = redis.url.replace("//", "//ada:secret@");
    const lacking = await start({ ...redis, url });
    await expect((await lacking.producer.send(thing(0))).stored).rejects.toMatchObject({
      name: "ConfigError",
      hint: expect.stringContaining("+xadd"),
    });
  });

  it("was flushed gets what was not acknowledged yet, and what follows; what is gone is told", async () => {
    const redis = await ownRedis();
    const client = await admin(redis);
    const { producer, told } = await start(redis, { name: "reporter" });
    for (let n = 0; n < 100; n++) await producer.send(thing(n));
    await producer.flush();
    await client.flushAll();
    for (let n = 100; n < 200; n++) await producer.send(thing(n));
    await producer.flush();
    expect(ascending((await numbers(redis)).flat())).toEqual(Array.from({ length: 100 }, (_, n) => 100 + n));
    const lost = told.map(([, fields]) => (fields as { lost: { events: number } }).lost.events);
    expect(lost.reduce((sum, events) => sum + events, 0)).toBe(100);
  });
});

describe("a producer in another language", () => {
  it("appends with the script as the docs say, and its frames are read like ours", async () => {
    const redis = await ownRedis();
    const client = await admin(redis);
    const script = `#!lua\n${await readFile(new URL("../../src/bus/redis/scripts/append.lua", import.meta.url), "utf8")}`;
    const append = (incarnation: number, sequence: number) => {
      const body = JSON.stringify({
        s: [["thing.happened", ["key", "n", "orders"]]],
        id: ["00000000-0000-4000-8000-000000000001"],
        t: [1_795_600_000_000],
        d: [[["k"], [sequence], [[]]]],
      });
      const fields = [
        "cobol",
        incarnation,
        sequence,
        1,
        "j",
        1_795_600_000_000,
        1_795_600_000_000,
        checksum(Buffer.from(body)),
        body,
      ];
      const keys = [":s", ":prod", ":meta"].map((end) => `hr:{things:02}${end}`);
      return client.sendCommand(["EVAL", script, "3", ...keys, ...fields.map(String)]);
    };
    expect(await append(1, 0)).toEqual(["stored", expect.stringMatching(/^\d+-\d+$/)]);
    expect(await append(1, 0)).toEqual(["duplicate"]);
    expect(await append(1, 2)).toEqual(["gap", 0]);
    expect(await append(1, 1)).toEqual(["stored", expect.any(String)]);
    expect(await append(2, 0)).toEqual(["stored", expect.any(String)]);
    expect(await append(1, 2)).toEqual(["superseded", "2"]);
    expect(await numbers(redis)).toEqual([[], [], [0, 1, 0], []]);
  });
});

describe("a producer with a fixed name", () => {
  it("leaves one trace in Redis however often it is started, and an event sent again keeps its id", async () => {
    const redis = await ownRedis();
    for (let i = 0; i < 3; i++) {
      const { producer } = await start(redis, { name: "reporter" });
      await producer.send(thing(0), { id: "order 17, placed" });
      await producer.close();
    }
    const bus = await openRedisBus({ url: redis.url, logger: silentLogger });
    const events = (await Promise.all(partitions.map((partition) => framesOf(bus, partition)))).flat(2);
    await bus.close();
    expect(events).toHaveLength(3);
    expect(new Set(events.map(({ id }) => id)).size).toBe(1);
    const client = await admin(redis);
    const traces = await Promise.all(partitions.map(({ prefix }) => client.hKeys(`${prefix}:prod`)));
    expect(traces.flat()).toEqual(["app/reporter"]);
  });

  it.each([
    ["an empty name", { name: "" }],
    ["a level that there is not", { durability: "disk" as never }],
    ["no replica", { durability: "replica", replicas: 0 }],
    ["a time that is none", { maxWaitMs: Number.NaN }],
  ] as const)("is not opened with %s", async (_, options) => {
    await expect(openProducer(stream, { redisUrl: "redis://127.0.0.1:1", ...options })).rejects.toMatchObject({
      name: "ConfigError",
      code: "usage",
      hint: expect.stringMatching(/^Give /),
    });
  });
});
