import { readFile } from "node:fs/promises";
import { describe, expect, it, vi } from "vitest";
import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { RetryableError } from "../../src/core/errors.ts";
import { checksum } from "../../src/core/hash.ts";
import { silentLogger } from "../../src/core/log.ts";
import { openProducer } from "../../src/open-producer.ts";
import { framesOf } from "../support/frames-of.ts";
import { notTried } from "../support/not-tried.ts";
import { knowsWaitAof, redisVersion } from "../support/redis-version.ts";
import { admin, appends, ascending, load, numbers, ownRedis, partitions, start, stream, thing } from "../support/sending.ts";

const version = await redisVersion();

describe("at the level fsync", () => {
  // The kernel keeps what a killed process has written: this shows that nothing waits in a buffer of Redis.
  it.each(knowsWaitAof(version) ? ["always", "everysec"] : ["always"])(
    "every acknowledged event is there after a kill -9 under load (appendfsync %s)",
    async (appendfsync) => {
      const redis = await ownRedis({ appendfsync });
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

  if (knowsWaitAof(version)) {
    it("every acknowledged event is there after a power failure under load: what was not on disk is gone", async () => {
      const redis = await ownRedis({ appendfsync: "always" });
      const client = await admin(redis);
      const { producer, told } = await start(redis, { durability: "fsync", ackTimeoutMs: 300, maxBufferedBytes: 2_000_000 });
      const sending = load(producer);
      await vi.waitUntil(() => sending.acknowledged.size > 3_000, { timeout: 20_000, interval: 5 });
      // From here on it writes its log, and brings none of it to disk.
      await client.configSet("appendfsync", "no");
      const onDisk = await redis.logBytes();
      const isTold = () => told.some(([, fields]) => JSON.stringify(fields).includes("to disk"));
      const isLonger = async () => (await redis.logBytes()) > onDisk + 1_000_000;
      await vi.waitUntil(async () => isTold() || (await isLonger()), { timeout: 20_000, interval: 20 });
      await redis.kill();
      const known = new Set(sending.acknowledged);
      expect(sending.accepted.length).toBeGreaterThan(known.size);
      await redis.cutLog(onDisk);
      await redis.restart();
      const there = new Set((await numbers(redis)).flat());
      expect([...known].filter((n) => !there.has(n))).toEqual([]);
      // All that waited is stored, once.
      await sending.stop();
      await producer.close();
      expect(ascending((await numbers(redis)).flat())).toEqual(sending.accepted);
      expect(sending.acknowledged.size).toBe(sending.accepted.length);
    });

    it("confirms a frame that was stored over a connection that is gone", async () => {
      // Without an fsync of its own accord, Redis confirms only what it is made to; so an answer in good time would be wrong.
      const redis = await ownRedis({ appendfsync: "no" });
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
  } else {
    it.each(["everysec", "no"])("is refused by a Redis that cannot be asked (appendfsync %s)", async (appendfsync) => {
      await expect(start(await ownRedis({ appendfsync }), { durability: "fsync" })).rejects.toMatchObject({
        name: "ConfigError",
        code: "bus.unsupported",
        hint: expect.stringMatching(/appendfsync to always.*7\.2/),
      });
    });
    notTried("the level fsync where Redis is asked whether it has written to disk", `Redis ${version} is older than 7.2`);
  }

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
});

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
  it.each([
    ["a time that is no Date", { ...thing(1), time: Date.now() }, {}, "'thing.happened' has no valid time"],
    ["an id that is a number", thing(1), { id: 7 }, "the event's id is no text"],
    ["an empty id", thing(1), { id: "" }, "the event's id is empty"],
    ["a source that is none", thing(1), { id: "a", source: null }, "the event's source is no text"],
    ["a traceparent that is none", thing(1), { traceparent: {} }, "the event's traceparent is no text"],
  ])("refuses %s, which plain JavaScript may give, in a sentence", async (_, draft, options, says) => {
    const redis = await ownRedis();
    const { producer } = await start(redis);
    const sending = producer.send(draft as never, options as never);
    await expect(sending).rejects.toMatchObject({
      code: "event.invalid",
      message: says,
      hint: expect.stringContaining("Give a"),
    });
    await producer.close();
  });

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
