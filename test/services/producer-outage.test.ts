import { describe, expect, it, vi } from "vitest";
import type { RetryableError } from "../../src/core/errors.ts";
import { freePort } from "../support/free-port.ts";
import { admin, appends, ascending, load, numbers, ownRedis, partitions, start, thing } from "../support/sending.ts";

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

  it("holds something else under a key of the stream, or grants no right, tells the way out, and takes what is sent once that is mended", async () => {
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
    await (await producer.send(thing(1))).stored;
    await client.sendCommand(["ACL", "SETUSER", "ada", "on", ">secret", "~*", "+@all", "-xadd"]);
    const url = redis.url.replace("//", "//ada:secret@");
    const lacking = await start({ ...redis, url });
    await expect((await lacking.producer.send(thing(0))).stored).rejects.toMatchObject({
      name: "ConfigError",
      hint: expect.stringContaining("+xadd"),
    });
    await client.sendCommand(["ACL", "SETUSER", "ada", "+xadd"]);
    await (await lacking.producer.send(thing(2))).stored;
    await client.sendCommand(["ACL", "SETUSER", "ada", "off"]);
    await client.sendCommand(["CLIENT", "KILL", "USER", "ada"]);
    await expect((await lacking.producer.send(thing(3))).stored).rejects.toMatchObject({ name: "ConfigError" });
    await client.sendCommand(["ACL", "SETUSER", "ada", "on"]);
    await (await lacking.producer.send(thing(4))).stored;
    expect(ascending((await numbers(redis)).flat())).toEqual([1, 2, 4]);
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
