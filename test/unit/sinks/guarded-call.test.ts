import { setMaxListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { RetryableError, TerminalError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { Outage } from "../../../src/core/outage.ts";
import { createRateLimit } from "../../../src/core/rate-limit.ts";
import { createBatcher } from "../../../src/sinks/batcher.ts";
import { createSinkGuards, guardedCall } from "../../../src/sinks/guarded-call.ts";
import { retrying } from "../../../src/sinks/retrying.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { logBook } from "../../support/log-book.ts";

interface Options {
  readonly breaker?: { readonly failures: number; readonly openMs: number };
  readonly perSecond?: number;
}

/** A sink as the ClickHouse sink is put together, before a target that a test breaks. */
function open({ breaker, perSecond }: Options) {
  const clock = new VirtualClock();
  const { logger, lines } = logBook();
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const limit = perSecond === undefined ? undefined : createRateLimit({ perSecond, burst: 1 }, clock);
  const guards = createSinkGuards(breaker && { breaker }, { name: "t", clock, logger, limit });
  const target = { broken: false, calls: [] as number[], rows: [] as number[] };
  const insert = async (rows: readonly number[]) => {
    target.calls.push(clock.monotonic());
    if (target.broken) throw new RetryableError("clickhouse.retry", "away");
    target.rows.push(...rows);
  };
  const outage = new Outage({ began: "away", over: "back" }, { clock, logger: silentLogger });
  const deps = { clock, random: () => 1, signal: stop.signal, outage };
  const sink = createBatcher(
    {
      prepare: (rows) => rows.map((row) => (row as { readonly n: number }).n),
      deliver: async (pieces) => {
        const call = () => guardedCall(() => insert(pieces.flat()), { guards, signal: stop.signal });
        await retrying({ initialMs: 100, maxMs: 200 }, deps, call);
        return [];
      },
    },
    { name: "t", batch: { maxRows: 10, maxBytes: 1_000, minIntervalMs: 0 }, clock, signal: stop.signal },
  );
  const write = (...ns: readonly number[]) =>
    sink.write(
      ns.map((n) => ({ n })),
      ns.length,
    );
  return { clock, lines, stop, guards, target, sink, write };
}

describe("a sink's guards", () => {
  it("attempt no insert while the breaker is open, try one then, say so once each, and lose no row", async () => {
    const { clock, target, write, lines } = open({ breaker: { failures: 3, openMs: 5_000 } });
    target.broken = true;
    const writes = Promise.all([write(1, 2), write(3)]);
    await clock.advance(300);
    // Tries at 0, 100 and 300 fail; then one at the end of each time that it is open.
    await clock.advance(12_000);
    expect(target.calls).toEqual([0, 100, 300, 5_300, 10_300]);
    const late = write(4);
    target.broken = false;
    await clock.settle(Promise.all([writes, late]));
    expect(target.rows).toEqual([1, 2, 3, 4]);
    expect(target.calls.slice(5)).toEqual([15_300, 15_302]);
    expect(lines).toEqual([
      "warn: the breaker has opened: nothing is called for a while",
      "info: the breaker has closed: it answers again",
    ]);
  });

  it("pace the calls; rows that come meanwhile share the next one", async () => {
    const { clock, target, write } = open({ perSecond: 2 });
    const writes = [write(1)];
    for (let n = 2; n <= 9; n++) {
      await clock.advance(200);
      writes.push(write(n));
    }
    await clock.settle(Promise.all(writes));
    expect(target.rows).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(target.calls).toEqual([0, 500, 1_000, 1_500, 2_000, 2_500]);
  });

  it("let the lanes that waited for a token wait on when the breaker has opened, and then one of them try", async () => {
    const { clock, guards, stop } = open({ breaker: { failures: 1, openMs: 5_000 }, perSecond: 10 });
    const calls: number[] = [];
    let broken = true;
    const lane = () =>
      guardedCall(
        async () => {
          calls.push(clock.monotonic());
          if (broken) throw new Error("busy");
        },
        { guards, signal: stop.signal, isFailure: () => true },
      ).catch(() => {});
    const lanes = Promise.all([lane(), lane(), lane()]);
    await clock.advance(4_999);
    expect(calls).toEqual([0]);
    broken = false;
    await clock.settle(lanes);
    expect(calls).toHaveLength(3);
    expect(calls[1]).toBeGreaterThanOrEqual(5_000);
  });

  it("take a refusal of the data for an answer", async () => {
    const { clock, guards, stop, target, write } = open({ breaker: { failures: 2, openMs: 5_000 } });
    const refused = () => Promise.reject(new TerminalError("clickhouse.data", "no such value"));
    target.broken = true;
    const writing = write(1);
    await clock.advance(0);
    await expect(guardedCall(refused, { guards, signal: stop.signal })).rejects.toThrow("no such value");
    await clock.advance(100);
    expect(guards.breaker?.leftMs).toBe(0);
    target.broken = false;
    await clock.settle(writing);
  });

  it("end all waiting with the abort's reason", async () => {
    const { clock, target, write, stop, lines } = open({ breaker: { failures: 1, openMs: 5_000 } });
    target.broken = true;
    const writing = write(1);
    await clock.advance(1_000);
    const reason = new Error("shutting down");
    stop.abort(reason);
    await expect(clock.settle(writing)).rejects.toBe(reason);
    expect(target.calls).toEqual([0]);
    expect(lines).toHaveLength(1);
  });
});
