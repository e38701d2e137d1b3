import { setMaxListeners } from "node:events";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPace, createRateLimit } from "../../../src/core/rate-limit.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

const never = new AbortController().signal;
setMaxListeners(0, never);

/** When each of the takes went through, in milliseconds. */
async function timesOf(limit: ReturnType<typeof createRateLimit>, clock: VirtualClock, amounts: readonly number[]) {
  const times: number[] = [];
  await clock.settle(
    Promise.all(amounts.map((amount) => limit.take(amount, never).then(() => void times.push(clock.monotonic())))),
  );
  return times;
}

describe("a rate limit", () => {
  it("lets a burst through at once, and the rest at its rate, in order", async () => {
    const clock = new VirtualClock();
    const limit = createRateLimit({ perSecond: 10, burst: 3 }, clock);
    expect(await timesOf(limit, clock, [1, 1, 1, 1, 1])).toEqual([0, 0, 0, 100, 200]);
    await clock.advance(10_000);
    expect(await timesOf(limit, clock, [1, 1, 1, 1])).toEqual([10_200, 10_200, 10_200, 10_300]);
  });

  it("takes more than a burst, when as much has come in", async () => {
    const clock = new VirtualClock();
    const limit = createRateLimit({ perSecond: 100, burst: 10 }, clock);
    expect(await timesOf(limit, clock, [510, 1])).toEqual([5_000, 5_010]);
  });

  it("ends a wait when it is told to, and gives back what did not go", async () => {
    const clock = new VirtualClock();
    const limit = createRateLimit({ perSecond: 10, burst: 1 }, clock);
    const stop = new AbortController();
    await limit.take(1, never);
    const waiting = limit.take(100, stop.signal);
    stop.abort();
    await waiting;
    expect(clock.monotonic()).toBe(0);
    expect(await timesOf(limit, clock, [1])).toEqual([100]);
    await limit.take(1_000, stop.signal);
    expect(await timesOf(limit, clock, [1])).toEqual([200]);
  });

  it("never lets more through in a time than its burst and its rate", async () => {
    const takes = fc.array(fc.record({ pause: fc.integer({ min: 0, max: 400 }), amount: fc.integer({ min: 1, max: 30 }) }), {
      minLength: 1,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(
        takes,
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 20 }),
        async (all, perSecond, burst) => {
          const clock = new VirtualClock();
          const limit = createRateLimit({ perSecond, burst }, clock);
          const gone: { readonly at: number; readonly amount: number }[] = [];
          const waits: Promise<unknown>[] = [];
          for (const { pause, amount } of all) {
            await clock.advance(pause);
            waits.push(limit.take(amount, never).then(() => gone.push({ at: clock.monotonic(), amount })));
          }
          await clock.settle(Promise.all(waits));
          expect(gone.map(({ amount }) => amount)).toEqual(all.map(({ amount }) => amount));
          // What is larger than a burst has waited for all of it: so many tokens came in before it went.
          for (const [i, { at }] of gone.entries()) {
            const since = gone.slice(i);
            for (let k = 1; k < since.length; k++) {
              const went = since.slice(1, k + 1).reduce((sum, { amount }) => sum + amount, 0);
              const seconds = ((since[k]?.at ?? 0) - at) / 1_000;
              expect(went).toBeLessThanOrEqual(burst + perSecond * seconds + 1e-6);
            }
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("a pace", () => {
  it("is kept one by one where it is slow, and saves nothing up while nobody feeds", async () => {
    const clock = new VirtualClock();
    const pace = createPace(100, clock);
    expect(await timesOf(pace, clock, [1, 1, 1, 1])).toEqual([0, 10, 20, 30]);
    await clock.advance(10_000);
    expect(await timesOf(pace, clock, [1, 1, 1])).toEqual([10_030, 10_040, 10_050]);
  });

  it("does not wait for less than five milliseconds where it is fast", async () => {
    const clock = new VirtualClock();
    expect(await timesOf(createPace(1_000, clock), clock, [1, 1, 1, 1, 1, 1, 1])).toEqual([0, 0, 0, 0, 0, 1, 2]);
    expect(await timesOf(createPace(1_000_000, clock), clock, [4_000])).toEqual([2]);
  });
});
