import { describe, expect, test } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";
import { type BatcherOptions, createBatcher } from "../../../src/sinks/batcher.ts";
import type { Rejected } from "../../../src/sinks/port.ts";

/** Time that passes only when told to. */
function manualClock() {
  let now = 0;
  const sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const sleeper = { until: now + ms, wake: resolve };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", () => {
          sleepers.delete(sleeper);
          resolve();
        });
      }),
  };
  const pass = async (ms: number) => {
    now += ms;
    for (const sleeper of sleepers) {
      if (sleeper.until > now) continue;
      sleepers.delete(sleeper);
      sleeper.wake();
    }
    await settled();
  };
  return { clock, pass };
}

/** Lets every promise that can go on do so. */
const settled = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

function open(change: Partial<BatcherOptions["batch"]> = {}) {
  const { clock, pass } = manualClock();
  const controller = new AbortController();
  const log: string[] = [];
  const deliveries: { readonly resolve: (rejected: readonly Rejected[]) => void; readonly reject: (error: Error) => void }[] = [];
  const sink = createBatcher(
    {
      prepare: (rows) => {
        log.push(`prepare ${rows.length}`);
        return rows as readonly { readonly n: number }[];
      },
      deliver: (pieces) => {
        const rows = pieces.flat();
        log.push(`deliver ${rows[0]?.n}..${rows.at(-1)?.n}`);
        return new Promise((resolve, reject) => deliveries.push({ resolve, reject }));
      },
    },
    { name: "t", batch: { maxRows: 10, maxBytes: 1_000, minIntervalMs: 100, ...change }, clock, signal: controller.signal },
  );
  let next = 0;
  const rows = (count: number) => Array.from({ length: count }, () => ({ n: next++ }));
  const finish = async (rejected: readonly Rejected[] = []) => {
    deliveries.shift()?.resolve(rejected);
    await settled();
  };
  return { sink, log, rows, finish, deliveries, pass, controller };
}

describe("a batcher", () => {
  test("joins the writes of one turn, and delivers the first batch at once", async () => {
    const { sink, log, rows, finish } = open();
    const writes = [sink.write(rows(2), 20), sink.write(rows(3), 30)];
    await settled();
    expect(log).toEqual(["prepare 2", "prepare 3", "deliver 0..4"]);
    await finish([{ row: 3, reason: "bad" }]);
    expect(await Promise.all(writes)).toEqual([{ rejected: [] }, { rejected: [{ row: 1, reason: "bad" }] }]);
  });

  test("waits between deliveries, unless a batch is full", async () => {
    const { sink, log, rows, finish, pass } = open();
    void sink.write(rows(1), 10);
    await settled();
    await finish();
    void sink.write(rows(4), 40);
    await pass(99);
    expect(log).toEqual(["prepare 1", "deliver 0..0", "prepare 4"]);
    await pass(1);
    expect(log.slice(3)).toEqual(["deliver 1..4"]);
    await finish();
    void sink.write(rows(4), 40);
    await settled();
    void sink.write(rows(6), 60);
    await settled();
    expect(log.slice(4)).toEqual(["prepare 4", "prepare 6", "deliver 5..14"]);
    await finish();
    expect(sink.inFlightRows).toBe(0);
  });

  test("makes rows ready as they are written, and never has two batches under way", async () => {
    const { sink, log, rows, finish } = open();
    const writes = [sink.write(rows(25), 250)];
    let isSettled = false;
    writes[0]?.then(
      () => {
        isSettled = true;
      },
      () => {},
    );
    await settled();
    expect(log).toEqual(["prepare 10", "prepare 10", "prepare 5", "deliver 0..9"]);
    await finish([{ row: 9, reason: "bad" }]);
    expect(log.slice(4)).toEqual(["deliver 10..19"]);
    writes.push(sink.write(rows(7), 70));
    await settled();
    expect(log.slice(5)).toEqual(["prepare 7"]);
    await finish([{ row: 0, reason: "bad" }]);
    expect(log.slice(6)).toEqual(["deliver 20..24"]);
    // Two parts of it are confirmed; the last is not.
    expect(isSettled).toBe(false);
    await finish([{ row: 4, reason: "bad" }]);
    expect(await writes[0]).toEqual({ rejected: [9, 10, 24].map((row) => ({ row, reason: "bad" })) });
    void sink.close();
    await settled();
    await finish();
    expect(await writes[1]).toEqual({ rejected: [] });
  });

  test("cuts by bytes as well as by rows", async () => {
    const { sink, log, rows } = open();
    void sink.write(rows(8), 4_000);
    await settled();
    expect(log).toEqual(["prepare 2", "prepare 2", "prepare 2", "prepare 2", "deliver 0..1"]);
  });

  test("fails the writes of a failed batch whole, and no others", async () => {
    const { sink, log, rows, finish, deliveries, pass } = open({ minIntervalMs: 0 });
    const failing = sink.write(rows(35), 350);
    const other = sink.write(rows(3), 30);
    const outcome = expect(failing).rejects.toThrow("schema");
    await settled();
    deliveries.shift()?.reject(new Error("schema"));
    await outcome;
    await pass(2);
    expect(log.filter((line) => line.startsWith("deliver"))).toEqual(["deliver 0..9", "deliver 35..37"]);
    await finish();
    expect(await other).toEqual({ rejected: [] });
    expect(sink.inFlightRows).toBe(0);
  });

  test("without an interval, takes along what comes right behind a delivery", async () => {
    const { sink, log, rows, finish, pass } = open({ minIntervalMs: 0 });
    void sink.write(rows(1), 10);
    await settled();
    void sink.write(rows(1), 10);
    await finish();
    void sink.write(rows(2), 20);
    await pass(1);
    expect(log.filter((line) => line.startsWith("deliver"))).toEqual(["deliver 0..0"]);
    await pass(1);
    expect(log.filter((line) => line.startsWith("deliver"))).toEqual(["deliver 0..0", "deliver 1..3"]);
    await finish();
    void sink.write(rows(1), 10);
    await settled();
    expect(log.at(-1)).toBe("deliver 4..4");
  });

  test("waits for no more rows when somebody is in a hurry, once", async () => {
    const { sink, log, rows, finish } = open();
    sink.flush?.();
    void sink.write(rows(1), 10);
    await settled();
    void sink.write(rows(2), 20);
    await finish();
    await settled();
    expect(log.at(-1)).toBe("prepare 2");
    sink.flush?.();
    await settled();
    expect(log.at(-1)).toBe("deliver 1..2");
    void sink.write(rows(1), 10);
    sink.flush?.();
    await finish();
    await settled();
    expect(log.at(-1)).toBe("deliver 3..3");
    void sink.write(rows(1), 10);
    await finish();
    await settled();
    expect(log.at(-1)).toBe("prepare 1");
  });

  test("delivers what is left at once when it is closed", async () => {
    const { sink, log, rows, finish } = open();
    void sink.write(rows(1), 10);
    await settled();
    await finish();
    const last = sink.write(rows(2), 20);
    await settled();
    const closed = sink.close();
    await settled();
    expect(log.at(-1)).toBe("deliver 1..2");
    await finish();
    await closed;
    expect(await last).toEqual({ rejected: [] });
  });

  test("rejects everything with the reason of an abort", async () => {
    const { sink, rows, deliveries, controller } = open();
    const writes = Promise.allSettled([sink.write(rows(15), 150), sink.write(rows(3), 30)]);
    await settled();
    const reason = new Error("stop");
    controller.abort(reason);
    deliveries.shift()?.reject(reason);
    expect(await writes).toEqual([
      { status: "rejected", reason },
      { status: "rejected", reason },
    ]);
    expect(sink.inFlightRows).toBe(0);
    await sink.close();
  });
});
