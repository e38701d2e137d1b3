import { describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { RetryableError } from "../../src/core/errors.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { RegistryView } from "../../src/registry/port.ts";
import { enterRegistry } from "../../src/registry/presence.ts";
import { openRedisRegistry } from "../../src/registry/redis/registry.ts";
import { closeAll } from "../support/close-all.ts";
import { startOwnRedis } from "../support/own-redis.ts";
import { process } from "../support/process.ts";
import { redisClient } from "../support/redis.ts";

const until = (holds: () => void, withinMs: number) => vi.waitFor(holds, { timeout: withinMs, interval: 10 });

/** A registry on a Redis of its own, with one process in it, and one who watches. */
async function openWatched() {
  const redis = await startOwnRedis();
  const registry = await openRedisRegistry({ url: redis.url, clock: systemClock, logger: silentLogger });
  const { cpu, rssBytes, ...facts } = process("first");
  const presence = await enterRegistry(facts, {
    registry,
    clock: systemClock,
    logger: silentLogger,
    load: () => ({ cpu, rssBytes }),
  });
  const views: RegistryView[] = [];
  const stop = new AbortController();
  const watching = registry.watch((view) => views.push(view), stop.signal);
  const last = () => views.at(-1)?.map(({ instance }) => instance);
  await until(() => expect(last()).toEqual(["first"]), 5_000);
  const close = async () => {
    stop.abort();
    await watching;
    await closeAll([() => redis.close(), () => registry.close(), () => presence.close()]);
  };
  return { redis, registry, presence, views, last, close };
}

/** Side by side, each with one of its own: they wait most of the time. */
const watched = (body: (given: Awaited<ReturnType<typeof openWatched>>) => Promise<void>) => async () => {
  const given = await openWatched();
  try {
    await body(given);
  } finally {
    await given.close();
  }
};

describe.concurrent("the registry on a Redis that fails", () => {
  it(
    "fails with an error to wait for, and has everyone back by itself when Redis is",
    watched(async ({ redis, registry, views }) => {
      await redis.kill();
      await expect(registry.live()).rejects.toThrow(RetryableError);
      await redis.restart();
      await vi.waitFor(async () => expect((await registry.live()).map(({ instance }) => instance)).toEqual(["first"]), {
        timeout: 6_000,
        interval: 20,
      });
      expect(views.map((view) => view?.length)).not.toContain(undefined);
    }),
  );

  it(
    "enters everyone anew where Redis has lost it",
    watched(async ({ redis, registry, last }) => {
      const client = await redisClient(redis.url);
      await client.flushAll();
      client.destroy();
      expect(await registry.live()).toEqual([]);
      await vi.waitFor(async () => expect(await registry.live()).toHaveLength(1), { timeout: 5_000, interval: 20 });
      // Who watches may have seen it empty, and is told a moment later.
      await until(() => expect(last()).toEqual(["first"]), 5_000);
    }),
  );

  it(
    "says that nobody can tell, where it does not answer for as long as an entry lives, and is back on another connection",
    watched(async ({ redis, registry, views, last }) => {
      redis.freeze();
      const asked = Date.now();
      await expect(registry.live()).rejects.toThrow(RetryableError);
      expect(Date.now() - asked).toBeLessThan(8_000);
      await until(() => expect(views.at(-1)).toBeUndefined(), 25_000);
      await redis.kill();
      await redis.restart();
      await until(() => expect(last()).toEqual(["first"]), 15_000);
    }),
  );

  it(
    "makes up for a push that was lost",
    watched(async ({ redis, registry, last }) => {
      const client = await redisClient(redis.url);
      await client.sendCommand(["CLIENT", "KILL", "TYPE", "pubsub"]);
      await registry.announce(process("second", { since: "2027-01-01T00:00:00.000Z" }), 60_000);
      await until(() => expect(last()).toEqual(["first", "second"]), 4_000);
      // And is told of the next one at once again.
      await vi.waitFor(
        async () => expect(await client.pubSubNumSub("hr:{registry}:changed")).toEqual({ "hr:{registry}:changed": 1 }),
        {
          timeout: 5_000,
        },
      );
      await registry.withdraw("second");
      await until(() => expect(last()).toEqual(["first"]), 1_000);
      client.destroy();
    }),
  );

  it(
    "goes on where Redis has no memory left",
    watched(async ({ redis, registry, last }) => {
      const client = await redisClient(redis.url);
      await client.configSet("maxmemory", "1");
      await expect(client.set("any", "thing")).rejects.toThrow("OOM");
      await registry.announce(process("second", { since: "2027-01-01T00:00:00.000Z" }), 60_000);
      await until(() => expect(last()).toEqual(["first", "second"]), 1_000);
      await registry.withdraw("second");
      await until(() => expect(last()).toEqual(["first"]), 1_000);
      client.destroy();
    }),
  );

  it(
    "closes while nothing answers",
    watched(async ({ redis, registry, presence }) => {
      redis.freeze();
      await presence.close();
      await registry.close();
      await expect(registry.live()).rejects.toThrow(RetryableError);
    }),
  );
});
