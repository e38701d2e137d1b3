import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { openRedisBuckets } from "../../src/limit/redis/buckets.ts";
import { SharedLimit } from "../../src/limit/shared.ts";
import { headrace } from "../support/headrace.ts";
import { logBook } from "../support/log-book.ts";
import { startOwnRedis } from "../support/own-redis.ts";
import { redisClient } from "../support/redis.ts";
import { redisUrl, unique } from "../support/services.ts";

const dist = fileURLToPath(new URL("../../dist/", import.meta.url));

/** A process that takes `count` tokens, one after another, and writes when it began, and when each went through. */
const taker = `
  const [url, name, perSecond, burst, count] = process.argv.slice(1);
  const { openRedisBuckets } = await import(${JSON.stringify(`${dist}limit/redis/buckets.js`)});
  const { SharedLimit } = await import(${JSON.stringify(`${dist}limit/shared.js`)});
  const { systemClock } = await import(${JSON.stringify(`${dist}core/clock.js`)});
  const { silentLogger: logger } = await import(${JSON.stringify(`${dist}core/log.js`)});
  const buckets = await openRedisBuckets({ url, logger });
  const limit = new SharedLimit(name, { perSecond: Number(perSecond), burst: Number(burst) }, { buckets, clock: systemClock, logger });
  const { signal } = new AbortController();
  const times = [Date.now()];
  for (let i = 0; i < Number(count); i++) {
    await limit.take(1, signal);
    times.push(Date.now());
  }
  console.log(JSON.stringify(times));
  await buckets.close();
`;

const running: ChildProcess[] = [];

async function takeInAProcess(name: string, { perSecond, burst, count }: Record<"perSecond" | "burst" | "count", number>) {
  const args = [await redisUrl(), name, perSecond, burst, count].map(String);
  const child = spawn(process.execPath, ["--input-type=module", "-e", taker, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  running.push(child);
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const [begun, ...times] = JSON.parse(line) as [number, ...number[]];
  return { begun, times };
}

describe("a limit that processes share", () => {
  // Builds dist/ where the sources have changed.
  beforeAll(() => headrace(["--help"]), 120_000);
  afterEach(() => {
    for (const child of running.splice(0)) child.kill("SIGKILL");
  });

  it("holds for two processes together", async () => {
    const rate = { perSecond: 400, burst: 20 };
    const name = unique();
    const takes = await Promise.all([
      takeInAProcess(name, { ...rate, count: 500 }),
      takeInAProcess(name, { ...rate, count: 500 }),
    ]);
    const begun = Math.min(...takes.map((take) => take.begun));
    const times = takes.flatMap((take) => take.times).sort((a, b) => a - b);
    expect(times).toHaveLength(1_000);
    // Whatever had gone through by a moment was granted between the beginning and then: a slow machine can only make it fewer.
    const tooMany = times.filter((at, i) => i + 1 > rate.burst + (rate.perSecond * (at + 1 - begun)) / 1_000);
    expect(tooMany).toEqual([]);
  });

  it("lets nothing through while Redis is away, and goes on when it is back, at its rate", async () => {
    const own = await startOwnRedis();
    const { logger, lines } = logBook();
    const buckets = await openRedisBuckets({ url: own.url, logger: silentLogger });
    const stop = new AbortController();
    try {
      const limit = new SharedLimit("api", { perSecond: 50, burst: 5 }, { buckets, clock: systemClock, logger });
      let through = 0;
      const taking = (async () => {
        for (;;) {
          await limit.take(1, stop.signal);
          if (stop.signal.aborted) return;
          through += 1;
        }
      })();
      await vi.waitFor(() => expect(through).toBeGreaterThan(10));
      await own.kill();
      await vi.waitFor(
        () =>
          expect(lines.filter((line) => !line.startsWith("debug: "))).toEqual([
            "warn: the shared limit cannot be asked: what it guards waits",
          ]),
        10_000,
      );
      const before = through;
      // Many times what a limit that had let go would take to let hundreds through.
      for (let i = 0; i < 2_000; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(through).toBe(before);
      await own.restart();
      await vi.waitFor(() => expect(through).toBeGreaterThan(before + 10), 20_000);
      expect(lines.at(-1)).toBe("info: the shared limit can be asked again");
      stop.abort();
      await taking;
    } finally {
      stop.abort();
      await buckets.close();
      await own.close();
    }
  });

  it("keeps one small key, which goes when nobody asks any more", async () => {
    const buckets = await openRedisBuckets({ url: await redisUrl(), logger: silentLogger });
    const redis = await redisClient(await redisUrl());
    try {
      const name = unique();
      await buckets.take(name, { perSecond: 1_000, burst: 100 }, 100);
      const key = `hr:{limit:${name}}`;
      expect(await redis.hLen(key)).toBe(2);
      expect(await redis.pTTL(key)).toBeLessThanOrEqual(1_100);
      await vi.waitFor(async () => expect(await redis.exists(key)).toBe(0), { timeout: 10_000, interval: 50 });
    } finally {
      redis.destroy();
      await buckets.close();
    }
  });
});
