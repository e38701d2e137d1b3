import { describe, expect, it } from "vitest";
import { RetryableError } from "../../../src/core/errors.ts";
import type { StageCall } from "../../../src/plan/plan.ts";
import { keepAnswers } from "../../../src/stages/kept-answers.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

const cache = { maxEntries: 3, ttlMs: 1_000 };

/** A function whose answers are kept, on a virtual clock. `asked`: the keys that it was called with. */
function open(look: (key: string, call: StageCall) => unknown) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const noted = (key: string, call: StageCall) => {
    asked.push(key);
    return look(key, call);
  };
  const kept = keepAnswers(noted, cache, clock);
  const ask = (key: string, signal = new AbortController().signal) => kept(key, { signal });
  return { clock, asked, ask };
}

describe("answers that are kept", () => {
  it("are asked for once, however many wait, and given without a promise from then on", async () => {
    const { ask, asked } = open(async (key) => `of ${key}`);
    expect(await Promise.all([ask("a"), ask("b"), ask("a"), ask("a")])).toEqual(["of a", "of b", "of a", "of a"]);
    expect([ask("a"), ask("b")]).toEqual(["of a", "of b"]);
    expect(asked).toEqual(["a", "b"]);
  });

  it("may be nothing, and may be there at once", () => {
    const { ask, asked } = open((key) => (key === "a" ? undefined : null));
    expect([ask("a"), ask("a"), ask("b"), ask("b")]).toEqual([undefined, undefined, null, null]);
    expect(asked).toEqual(["a", "b"]);
  });

  it("are asked for again when they are too old, counted from when they came", async () => {
    const { ask, asked, clock } = open(() => clock.sleep(500).then(() => clock.monotonic()));
    expect(await clock.settle(ask("a") as Promise<unknown>)).toBe(500);
    await clock.advance(999);
    expect(ask("a")).toBe(500);
    await clock.advance(1);
    expect(await clock.settle(ask("a") as Promise<unknown>)).toBe(2_000);
    expect(asked).toEqual(["a", "a"]);
  });

  it("are so many at most: the one that was not asked for longest goes", () => {
    const { ask, asked } = open((key) => key);
    for (const key of ["a", "b", "c", "a", "d", "a", "c", "d", "b"]) expect(ask(key)).toBe(key);
    expect(asked).toEqual(["a", "b", "c", "d", "b"]);
  });

  it("are none where the call failed: all who waited are told, and the next asks anew", async () => {
    const failures = [new RetryableError("service.unreachable", "away"), new Error("no")];
    const { ask, asked } = open(async (key) => {
      const failure = failures.shift();
      if (failure) throw failure;
      return key;
    });
    for (const says of ["away", "no"]) {
      const waiting = [ask("a"), ask("a")] as readonly Promise<unknown>[];
      for (const one of waiting) await expect(one).rejects.toThrow(says);
    }
    expect(await ask("a")).toBe("a");
    expect(asked).toEqual(["a", "a", "a"]);
  });

  it("let a failure that is thrown at once through, and keep nothing of it", () => {
    let isBroken = true;
    const { ask } = open((key) => {
      if (isBroken) throw new Error("no");
      return key;
    });
    expect(() => ask("a")).toThrow("no");
    isBroken = false;
    expect(ask("a")).toBe("a");
  });

  it("are waited for by each as long as its own signal lets it; the call is broken off with the last", async () => {
    const signals: AbortSignal[] = [];
    const { ask, asked } = open((_, { signal }) => {
      signals.push(signal);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const [first, second] = [new AbortController(), new AbortController()];
    const waiting = [ask("a", first.signal), ask("a", second.signal)] as readonly Promise<unknown>[];
    first.abort(new Error("lost"));
    await expect(waiting[0]).rejects.toThrow("lost");
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    second.abort(new Error("stopped"));
    await expect(waiting[1]).rejects.toThrow("stopped");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    void (ask("a") as Promise<unknown>).catch(() => {});
    expect(asked).toEqual(["a", "a"]);
    await expect(ask("b", first.signal)).rejects.toThrow("lost");
    expect(asked).toEqual(["a", "a"]);
  });

  it("do not abort a call that was answered", async () => {
    let aborted: boolean | undefined;
    const stop = new AbortController();
    const { ask } = open(async (_, { signal }) => {
      signal.addEventListener("abort", () => {
        aborted = true;
      });
      return "there";
    });
    await ask("a", stop.signal);
    stop.abort();
    expect(aborted).toBeUndefined();
  });
});
