import { beforeEach, describe, expect, it } from "vitest";
import { RetryableError, TerminalError } from "../../../src/core/errors.ts";
import { retry } from "../../../src/core/retry.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

const away = new RetryableError("service.unreachable", "away");
const limits = { initialMs: 100, maxMs: 1_000, random: () => 1 };

describe("a call that is tried again", () => {
  let clock: VirtualClock;
  /** When it was called, milliseconds from the start. */
  let calls: number[];
  beforeEach(() => {
    clock = new VirtualClock();
    calls = [];
  });
  const failing = (times: number, error: unknown = away) => {
    const began = clock.monotonic();
    return async (failed: number) => {
      calls.push(clock.monotonic() - began);
      if (failed < times) throw error;
      return failed;
    };
  };

  it("waits twice as long each time, up to the longest wait, and answers with what worked", async () => {
    const told: unknown[] = [];
    const onFailure = (_: unknown, about: object) => told.push(about);
    expect(await clock.settle(retry(failing(6), { ...limits, clock, onFailure }))).toBe(6);
    expect(calls).toEqual([0, 100, 300, 700, 1_500, 2_500, 3_500]);
    expect(told[3]).toEqual({ failed: 4, waitMs: 800 });
  });

  it("waits a random part of that", async () => {
    await clock.settle(retry(failing(3), { ...limits, random: () => 0.5, clock }));
    expect(calls).toEqual([0, 50, 150, 350]);
  });

  it("is tried again so many times at most", async () => {
    await expect(clock.settle(retry(failing(9), { ...limits, attempts: 2, clock }))).rejects.toBe(away);
    expect(calls).toHaveLength(3);
  });

  it("is not tried again where the failure does not pass", async () => {
    const refused = new TerminalError("event.invalid", "no");
    await expect(clock.settle(retry(failing(9, refused), { ...limits, clock }))).rejects.toBe(refused);
    await expect(clock.settle(retry(failing(9), { ...limits, clock, mayPass: () => false }))).rejects.toBe(away);
    expect(calls).toHaveLength(2);
  });

  it.each([
    ["is not tried again when its signal ends a wait", false, 1],
    ["is tried once more, at once, where that is asked for", true, 2],
  ])("%s", async (_, lastTry, times) => {
    const stop = new AbortController();
    const calling = retry(failing(9), { ...limits, clock, signal: stop.signal, lastTry });
    await clock.advance(40);
    stop.abort();
    await expect(clock.settle(calling)).rejects.toBe(away);
    expect(calls).toEqual([0, 40].slice(0, times));
  });
});
