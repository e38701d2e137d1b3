import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { RetryableError, TerminalError } from "../../../src/core/errors.ts";
import { createLimits } from "../../../src/limit/limits.ts";
import type { GuardsPlan } from "../../../src/plan/guards.ts";
import type { StageCall } from "../../../src/plan/plan.ts";
import { guarded } from "../../../src/stages/guard.ts";
import { idle, VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { logBook } from "../../support/log-book.ts";

const away = () => new RetryableError("service.unreachable", "away");
const notTheirs = () => new TerminalError("event.invalid", "no such user");

/** A function behind guards on a virtual clock. Backoff waits are as long as they can be. */
function open(guards: GuardsPlan, call: (value: unknown, given: StageCall) => unknown) {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const { logger, lines } = logBook();
  const deps = { clock, logger, limitFor: createLimits({ clock, logger }), random: () => 1 };
  const calls: number[] = [];
  const noted = (value: unknown, given: StageCall) => {
    calls.push(clock.monotonic());
    return call(value, given);
  };
  const behind = guarded("look", noted, { guards, place: "p/look", deps });
  const run = (value?: unknown) => behind(value, { signal: stop.signal }) as Promise<unknown>;
  const ended = (result: Promise<unknown>) => clock.settle(result.catch((error) => error.message));
  return { clock, stop, lines, calls, run, ended };
}

describe("a stage's guards", () => {
  it("leave a function without guards as it is", () => {
    const call = (value: unknown) => value;
    const { logger } = logBook();
    const clock = new VirtualClock();
    const deps = { clock, logger, limitFor: createLimits({ clock, logger }) };
    expect(guarded("look", call, { guards: {}, place: "p/look", deps })).toBe(call);
  });

  describe("retry", () => {
    const retry = { attempts: 3, initialMs: 100, maxMs: 250 };

    it("tries again what may pass, later each time", async () => {
      let left = 3;
      const { run, ended, calls } = open({ retry }, () => (left-- > 0 ? Promise.reject(away()) : "there"));
      expect(await ended(run())).toBe("there");
      expect(calls).toEqual([0, 100, 300, 550]);
    });

    it("gives the event up when it does not pass", async () => {
      const { run, clock, calls } = open({ retry }, () => Promise.reject(away()));
      await expect(clock.settle(run())).rejects.toBeInstanceOf(RetryableError);
      expect(calls).toHaveLength(4);
    });

    it("does not try again what is the event's own fault", async () => {
      const { run, ended, calls } = open({ retry }, () => Promise.reject(notTheirs()));
      expect(await ended(run())).toBe("no such user");
      expect(calls).toHaveLength(1);
    });

    it("gives the event up at once when the worker stops while it waits", async () => {
      const { run, ended, stop, clock, calls } = open({ retry }, () => Promise.reject(away()));
      const running = run();
      await clock.advance(50);
      stop.abort();
      expect(await ended(running)).toBe("away");
      expect([clock.monotonic(), calls.length]).toEqual([50, 1]);
    });
  });

  describe("timeoutMs", () => {
    it("gives up a call that takes too long, as something that may pass", async () => {
      const { run, clock } = open({ timeoutMs: 500 }, () => new Promise(() => {}));
      const running = run();
      await expect(clock.settle(running)).rejects.toThrow("stage 'look' took longer than 500 ms");
      await expect(running).rejects.toBeInstanceOf(RetryableError);
      expect(clock.monotonic()).toBe(500);
    });

    it("lets a call through that is faster, and leaves no timer behind", async () => {
      const { run, ended, clock } = open({ timeoutMs: 500 }, () => clock.sleep(499).then(() => "there"));
      expect(await ended(run())).toBe("there");
      await expect(clock.until(() => false)).rejects.toThrow("nothing is going to happen any more");
    });

    it("tells the function by its signal, at the time-out and at the end of the work", async () => {
      const told: unknown[] = [];
      const { run, ended, clock, stop } = open({ timeoutMs: 500 }, (value, { signal }) => {
        signal.addEventListener("abort", () => told.push([value, clock.monotonic(), signal.reason.name]));
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      });
      await ended(run("late"));
      const running = run("stopped");
      running.catch(() => {});
      await clock.advance(100);
      stop.abort();
      expect(await ended(running)).toBe("This operation was aborted");
      expect(told).toEqual([
        ["late", 500, "RetryableError"],
        ["stopped", 600, "AbortError"],
      ]);
    });

    it("leaves no listener on the signal of the work behind, whatever became of the call", async () => {
      const { run, ended, stop } = open({ timeoutMs: 500, concurrency: 1 }, (value, { signal }) =>
        value === "late" ? new Promise((resolve) => signal.addEventListener("abort", resolve)) : value,
      );
      for (const value of ["late", "there", "late", "there"]) await ended(run(value));
      expect(getEventListeners(stop.signal, "abort")).toHaveLength(0);
    });
  });

  describe("concurrency", () => {
    it("lets no more calls run at once, and refuses none", async () => {
      let atOnce = 0;
      let most = 0;
      const { run, clock } = open({ concurrency: 3 }, async (value) => {
        most = Math.max(most, ++atOnce);
        await clock.sleep(100);
        atOnce -= 1;
        return value;
      });
      const values = Array.from({ length: 10 }, (_, i) => i);
      expect(await clock.settle(Promise.all(values.map(run)))).toEqual(values);
      expect([most, clock.monotonic()]).toEqual([3, 400]);
    });

    it("goes on behind a call that failed, or that ended when its signal told it to", async () => {
      const { run, ended } = open({ concurrency: 1, timeoutMs: 100 }, (value, { signal }) =>
        value === "hang"
          ? new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
          : value === "fail"
            ? Promise.reject(notTheirs())
            : value,
      );
      expect(await Promise.all(["fail", "hang", "pass"].map((value) => ended(run(value))))).toEqual([
        "no such user",
        "stage 'look' took longer than 100 ms",
        "pass",
      ]);
    });

    it("counts a call that was given up until its function has ended, however long it takes, and says when nothing is left", async () => {
      const { run, clock, calls, lines } = open(
        { concurrency: 2, timeoutMs: 100, retry: { attempts: 9, initialMs: 10, maxMs: 10 } },
        (value) => clock.sleep(1_000).then(() => value),
      );
      for (let n = 0; n < 20; n++) void run(n).catch(() => {});
      await clock.advance(999);
      expect(calls).toEqual([0, 0]);
      expect(lines.filter((line) => line.includes("hold all slots"))).toHaveLength(1);
      await clock.advance(1);
      expect(calls).toEqual([0, 0, 1_000, 1_000]);
    });

    it("lets whoever waits for a slot go when the work ends, though no function ends", async () => {
      const { run, ended, clock, calls, stop } = open({ concurrency: 1, timeoutMs: 100 }, () => new Promise(() => {}));
      await ended(run());
      const waiting = run();
      await clock.advance(1_000);
      stop.abort();
      expect(await ended(waiting)).toContain("was asked to stop while it waited");
      expect(calls).toHaveLength(1);
    });

    it("is bounded where there is a time-out and no number", async () => {
      const { run, calls } = open({ timeoutMs: 100 }, () => new Promise(() => {}));
      for (let n = 0; n < 1_200; n++) void run(n).catch(() => {});
      await idle();
      expect(calls).toHaveLength(1_000);
    });
  });

  describe("rateLimit", () => {
    it("has calls wait for their turn, and counts each try", async () => {
      let left = 1;
      const guards = { rateLimit: { perSecond: 10, burst: 2 }, retry: { attempts: 1, initialMs: 1, maxMs: 1 } };
      const { run, clock, calls } = open(guards, () => (left-- > 0 ? Promise.reject(away()) : "there"));
      expect(await clock.settle(Promise.all([run(), run(), run()]))).toEqual(["there", "there", "there"]);
      expect(calls).toEqual([0, 0, 100, 200]);
    });

    it("lets a call that costs more wait longer, and nothing of a cost that is none", async () => {
      const guards = { rateLimit: { perSecond: 10, burst: 1, cost: (value: never) => value } };
      const { run, ended, clock, calls } = open(guards, (value) => value);
      expect(await clock.settle(Promise.all([run(1), run(5), run(0), run(0.5)]))).toEqual([1, 5, 0, 0.5]);
      expect(calls).toEqual([0, 500, 500, 550]);
      for (const cost of [Number.NaN, -1, "1", undefined]) expect(await ended(run(cost))).toContain("the cost of a call is");
      expect(await ended(run(1))).toBe(1);
    });

    it("gives the event up when the worker stops while it waits", async () => {
      const { run, ended, stop, calls } = open({ rateLimit: { perSecond: 0.001, burst: 1 } }, () => "there");
      await run();
      const waiting = run();
      stop.abort();
      await expect(waiting).rejects.toBeInstanceOf(RetryableError);
      expect(await ended(waiting)).toContain("was asked to stop while it waited");
      expect(calls).toHaveLength(1);
    });
  });

  describe("breaker", () => {
    const breaker = { failures: 3, openMs: 1_000 };

    it("stops calling what fails again and again, tries once later, and says so once", async () => {
      let broken = true;
      const { run, ended, clock, calls, lines } = open({ breaker }, () => (broken ? Promise.reject(away()) : "there"));
      for (let i = 0; i < 3; i++) expect(await ended(run())).toBe("away");
      expect(await ended(run())).toBe("stage 'look' has failed 3 times in a row: its breaker is open");
      await clock.advance(1_000);
      expect(await ended(run())).toBe("away");
      expect(await ended(run())).toContain("its breaker is open");
      broken = false;
      await clock.advance(1_000);
      expect([await ended(run()), await ended(run())]).toEqual(["there", "there"]);
      expect(calls).toEqual([0, 0, 0, 1_000, 2_000, 2_000]);
      expect(lines).toHaveLength(2);
    });

    it("counts what may pass and what took too long; an event's own fault is an answer", async () => {
      const { run, ended, clock } = open({ breaker, timeoutMs: 100 }, (value) =>
        value === "hang" ? new Promise(() => {}) : Promise.reject(value === "fail" ? away() : notTheirs()),
      );
      for (const value of ["fail", "hang", "own", "fail", "hang"]) await ended(run(value));
      expect(await ended(run("own"))).toBe("no such user");
      for (const value of ["fail", "hang", "fail"]) await ended(run(value));
      expect(await ended(run("own"))).toContain("its breaker is open");
      await clock.advance(1_000);
      expect(await ended(run("own"))).toBe("no such user");
      expect(await ended(run("own"))).toBe("no such user");
    });
  });

  describe("together", () => {
    it("retry waits out a breaker that is open, and a call that hangs is a failure of the breaker", async () => {
      let hangs = 2;
      const guards = {
        retry: { attempts: 5, initialMs: 400, maxMs: 400 },
        breaker: { failures: 2, openMs: 1_000 },
        timeoutMs: 100,
      };
      const { run, ended, calls } = open(guards, () => (hangs-- > 0 ? new Promise(() => {}) : "there"));
      expect(await ended(run())).toBe("there");
      // Hangs until 100 and until 600, where the breaker opens: 1000 and 1400 are refused, 1800 is let through.
      expect(calls).toEqual([0, 500, 1_800]);
    });

    it("an open breaker costs no tokens, and a wait between tries holds no slot", async () => {
      const guards = {
        retry: { attempts: 3, initialMs: 300, maxMs: 300 },
        concurrency: 1,
        breaker: { failures: 1, openMs: 10_000 },
        rateLimit: { perSecond: 1, burst: 3 },
      };
      let broken = true;
      const { run, ended, clock, calls } = open(guards, () => (broken ? Promise.reject(away()) : "there"));
      const first = run();
      const others = [run(), run(), run()];
      for (const one of [first, ...others]) expect(await ended(one)).toMatch(/its breaker is open/);
      expect([calls, clock.monotonic()]).toEqual([[0], 900]);
      broken = false;
      await clock.advance(9_100);
      expect(await clock.settle(Promise.all([run(), run(), run()]))).toEqual(["there", "there", "there"]);
      expect(calls).toEqual([0, 10_000, 10_000, 10_000]);
    });

    it("calls that waited for a token are not made once the breaker has opened", async () => {
      const guards = { breaker: { failures: 1, openMs: 10_000 }, rateLimit: { perSecond: 10, burst: 1 } };
      const { run, ended, calls } = open(guards, () => Promise.reject(away()));
      const ends = [run(), run(), run()].map(ended);
      expect(await Promise.all(ends)).toEqual(["away", expect.stringContaining("open"), expect.stringContaining("open")]);
      expect(calls).toEqual([0]);
    });

    it("the time-out does not run while a call waits for its turn", async () => {
      const guards = { concurrency: 1, rateLimit: { perSecond: 2, burst: 1 }, timeoutMs: 100 };
      const { run, clock, calls } = open(guards, () => clock.sleep(50).then(() => "there"));
      expect(await clock.settle(Promise.all([run(), run(), run()]))).toEqual(["there", "there", "there"]);
      expect(calls).toEqual([0, 500, 1_000]);
    });
  });
});
