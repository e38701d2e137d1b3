import { setMaxListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/log.ts";
import type { Rate } from "../../../src/core/rate-limit.ts";
import { createLimits } from "../../../src/limit/limits.ts";
import { createMemoryBuckets } from "../../../src/limit/memory.ts";
import type { Buckets } from "../../../src/limit/port.ts";
import { SharedLimit } from "../../../src/limit/shared.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { logBook } from "../../support/log-book.ts";

/** Processes that share one bucket, on one virtual clock. */
function open(rate: Rate, processes = 1) {
  const clock = new VirtualClock();
  const inner = createMemoryBuckets(clock);
  const { logger, lines } = logBook();
  const state = { away: false, asked: 0, granted: 0 };
  const buckets: Buckets = {
    async take(...request) {
      state.asked += 1;
      if (state.away) throw new RetryableError("service.unreachable", "away");
      const grant = await inner.take(...request);
      state.granted += grant.granted;
      return grant;
    },
    close: () => inner.close(),
  };
  const limits = Array.from({ length: processes }, () => new SharedLimit("api", rate, { buckets, clock, logger }));
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  return { clock, limits, limit: limits[0] as SharedLimit, state, lines, stop };
}

/** Takes one after another until `until`; returns how many went through. */
async function use(limit: SharedLimit, clock: VirtualClock, until: number): Promise<number> {
  const stop = new AbortController();
  let used = 0;
  const done = (async () => {
    for (;;) {
      await limit.take(1, stop.signal);
      if (stop.signal.aborted) return used;
      used += 1;
    }
  })();
  await clock.advance(until - clock.monotonic());
  stop.abort();
  return done;
}

describe("a limit that processes share", () => {
  it("lets the burst through at once, and then its rate", async () => {
    const { limit, clock, state } = open({ perSecond: 1_000, burst: 50 });
    expect(await use(limit, clock, 2_000)).toBeGreaterThan(1_950);
    expect(state.granted).toBeLessThanOrEqual(50 + 2_000);
  });

  it("asks about 100 times a second for one after another, whatever the rate", async () => {
    const { limit, clock, state } = open({ perSecond: 100_000, burst: 10_000 });
    expect(await use(limit, clock, 1_000)).toBeGreaterThan(100_000);
    expect(state.asked).toBeLessThan(150);
  });

  it("holds for all processes together, and gives each of them its part", async () => {
    const { limits, clock, state } = open({ perSecond: 500, burst: 20 }, 3);
    const used = await Promise.all(limits.map((limit) => use(limit, clock, 4_000)));
    const sum = used.reduce((a, b) => a + b, 0);
    expect(sum).toBeLessThanOrEqual(20 + 2_000);
    expect(sum).toBeGreaterThan(1_950);
    expect(state.granted).toBeLessThanOrEqual(20 + 2_000);
    for (const one of used) expect(one).toBeGreaterThan(200);
  });

  it("serves in the order in which they came, also amounts above the burst", async () => {
    const { limit, clock, stop } = open({ perSecond: 100, burst: 10 });
    const served: string[] = [];
    const take = (name: string, amount: number) => limit.take(amount, stop.signal).then(() => served.push(name));
    const all = Promise.all([take("large", 200), take("small", 1), take("next", 5)]);
    await clock.advance(1_800);
    expect(served).toEqual([]);
    await clock.settle(all);
    expect(served).toEqual(["large", "small", "next"]);
    expect(clock.monotonic()).toBeGreaterThanOrEqual(1_960);
    expect(clock.monotonic()).toBeLessThan(2_200);
  });

  it("lets nothing through while the buckets cannot be reached, says so once, and goes on afterwards", async () => {
    const { limit, clock, state, lines, stop } = open({ perSecond: 1_000, burst: 50 });
    state.away = true;
    let through = 0;
    const all = Promise.all(Array.from({ length: 20 }, () => limit.take(1, stop.signal).then(() => through++)));
    await clock.advance(60_000);
    expect(through).toBe(0);
    expect(state.asked).toBeGreaterThan(5);
    expect(state.asked).toBeLessThan(500);
    state.away = false;
    await clock.settle(all);
    expect(lines.filter((line) => !line.startsWith("debug"))).toEqual([
      "warn: the shared limit cannot be asked: what it guards waits",
      "info: the shared limit can be asked again",
    ]);
  });

  it("lets go of tokens that nobody has used, so that they make no burst later", async () => {
    const { limit, clock, stop, state } = open({ perSecond: 1_000, burst: 100 });
    await limit.take(1, stop.signal);
    expect(state.granted).toBe(20);
    await clock.advance(5_000);
    const before = state.granted;
    await limit.take(1, stop.signal);
    expect(state.granted).toBe(before + 20);
  });

  it("ends a wait when it is told to, gives what it held to the next one, and stops asking", async () => {
    const { limit, clock, state, stop } = open({ perSecond: 10, burst: 5 });
    const large = limit.take(1_000, stop.signal);
    await clock.advance(1_000);
    const { granted } = state;
    stop.abort();
    await clock.settle(large);
    await limit.take(granted, new AbortController().signal);
    expect(state.granted).toBe(granted);
    const { asked } = state;
    await clock.advance(10_000);
    expect(state.asked).toBe(asked);
    await limit.take(1, stop.signal);
    expect(state.asked).toBe(asked);
  });
});

describe("the limits of a process", () => {
  it("are one for each shared name, and one for each place that shares none", async () => {
    const clock = new VirtualClock();
    const limitFor = createLimits({ clock, logger: silentLogger, buckets: createMemoryBuckets(clock) });
    const plan = { perSecond: 1, burst: 1 };
    expect(limitFor({ ...plan, shared: "api" }, "stage:a/x")).toBe(limitFor({ ...plan, shared: "api" }, "stage:b/y"));
    expect(limitFor({ ...plan, shared: true }, "stage:a/x")).not.toBe(limitFor({ ...plan, shared: true }, "stage:b/y"));
    expect(limitFor(plan, "stage:a/x")).not.toBe(limitFor(plan, "stage:a/x"));
  });

  it("refuse to share where there is no place for it, instead of letting everything through", () => {
    const limitFor = createLimits({ clock: new VirtualClock(), logger: silentLogger });
    expect(() => limitFor({ perSecond: 1, shared: "api" }, "stage:a/x")).toThrow(ConfigError);
  });
});
