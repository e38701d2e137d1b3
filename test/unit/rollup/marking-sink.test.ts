import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { markingSink } from "../../../src/rollup/marking-sink.ts";
import { createMemoryMarks } from "../../../src/rollup/memory.ts";
import type { DirtyMarks } from "../../../src/rollup/port.ts";
import { createMemorySink } from "../../../src/sinks/memory.ts";
import type { Sink, WriteResult } from "../../../src/sinks/port.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { logBook } from "../../support/log-book.ts";
import { hour, rollupOf, ticks } from "../../support/rollup-store.ts";

const rollups = [rollupOf("one"), rollupOf("two")];
const rowOf = (start: number, n = 0) => ({
  id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
  at: new Date(start + 5),
});

function bench({
  marks: change = {},
  logger = silentLogger,
}: {
  marks?: Partial<DirtyMarks>;
  logger?: typeof silentLogger;
} = {}) {
  const clock = new VirtualClock();
  const kept = createMemoryMarks(clock);
  const inner = createMemorySink({ clock, table: ticks.plan });
  const giveUp = new AbortController();
  const deps = { marks: { ...kept, ...change }, clock, logger, signal: giveUp.signal, random: () => 1 };
  const dirty = async (rollup: string) => (await kept.dirty(rollup)).map(({ start }) => start).sort();
  return { clock, kept, inner, giveUp, dirty, sink: markingSink(inner, rollups, deps) };
}

describe("a sink of a table that rollups read", () => {
  it("marks the buckets of its rows for each of them, before it resolves", async () => {
    const { sink, inner, dirty } = bench();
    expect(await sink.write([rowOf(hour(1)), rowOf(hour(3), 1), rowOf(hour(1), 2)], 100)).toEqual({ rejected: [] });
    expect(inner.rows).toHaveLength(3);
    expect(await dirty("one")).toEqual([hour(1), hour(3)]);
    expect(await dirty("two")).toEqual([hour(1), hour(3)]);
  });

  it("marks nothing before the rows are confirmed", async () => {
    const { clock, sink, inner, dirty } = bench();
    inner.failNext(3);
    const writing = sink.write([rowOf(hour(1))], 100);
    await clock.advance(5);
    expect(inner.rows).toHaveLength(0);
    expect(await dirty("one")).toEqual([]);
    await clock.settle(writing);
    expect(await dirty("one")).toEqual([hour(1)]);
  });

  it("lets go of the rows while they wait to be confirmed", async () => {
    const { clock, inner, kept } = bench();
    let confirm = (_result: WriteResult) => {};
    const silent: Sink = { ...inner, write: () => new Promise((resolve) => (confirm = resolve)) };
    const deps = { marks: kept, clock, logger: silentLogger, signal: new AbortController().signal };
    const sink = markingSink(silent, rollups, deps);
    const write = (): readonly [row: WeakRef<object>, writing: Promise<WriteResult>] => {
      const row = rowOf(hour(1));
      return [new WeakRef(row), sink.write([row], 100)];
    };
    const [row, writing] = write();
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    await vi.waitFor(() => {
      collect();
      // An error that showed the row would keep it.
      expect(row.deref() === undefined).toBe(true);
    });
    confirm({ rejected: [] });
    await clock.settle(writing);
    expect((await kept.dirty("one")).map(({ start }) => start)).toEqual([hour(1)]);
  });

  it("is not done while the marks cannot be made, tries again, and says so", async () => {
    const book = logBook();
    let isAway = true;
    const { clock, kept, sink, inner, dirty } = bench({
      logger: book.logger,
      marks: {
        mark: (rollup, starts) => {
          if (isAway) return Promise.reject(new RetryableError("service.unreachable", "Redis: away"));
          return kept.mark(rollup, starts);
        },
      },
    });
    let isDone = false;
    const writing = sink.write([rowOf(hour(1))], 100).then(() => {
      isDone = true;
    });
    await clock.advance(60_000);
    expect(inner.rows).toHaveLength(1);
    expect(isDone).toBe(false);
    expect(book.lines[0]).toContain("could not be marked; it is tried again");
    isAway = false;
    await clock.settle(writing);
    expect(await dirty("two")).toEqual([hour(1)]);
  });

  it("gives up with the reason of the stop: what was not acked is written and marked again", async () => {
    const { clock, sink, giveUp } = bench({
      marks: { mark: () => Promise.reject(new RetryableError("service.unreachable", "Redis: away")) },
    });
    const writing = sink.write([rowOf(hour(1))], 100);
    await clock.advance(1_000);
    giveUp.abort(new RetryableError("service.unreachable", "the stop came"));
    await expect(writing).rejects.toThrow("the stop came");
  });

  it("lets through what the table says: rejected rows, and what stops the pipeline", async () => {
    const { sink, inner, dirty } = bench();
    const bad = { ...rowOf(hour(2)), id: "no uuid" };
    expect(await sink.write([rowOf(hour(1)), bad], 100)).toMatchObject({ rejected: [{ row: 1 }] });
    inner.stopWith(new ConfigError("clickhouse.schema", "no table"));
    await expect(sink.write([rowOf(hour(9))], 100)).rejects.toThrow("no table");
    expect(await dirty("one")).toEqual([hour(1), hour(2)]);
    await sink.close();
  });
});
