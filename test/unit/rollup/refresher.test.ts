import { describe, expect, it } from "vitest";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { MemoryRegistry } from "../../../src/registry/memory.ts";
import { enterRegistry } from "../../../src/registry/presence.ts";
import { keepMarks } from "../../../src/rollup/kept-marks.ts";
import { createMemoryMarks } from "../../../src/rollup/memory.ts";
import { refreshRollup } from "../../../src/rollup/refresh.ts";
import { runRefresher } from "../../../src/rollup/refresher.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { logBook } from "../../support/log-book.ts";
import { process } from "../../support/process.ts";
import { hour, rollupOf, SlowStore } from "../../support/rollup-store.ts";

const rollup = rollupOf("by_hour");

function bench() {
  const clock = new VirtualClock();
  const kept = createMemoryMarks(clock);
  const marks = keepMarks(kept, { clock, logger: silentLogger });
  const store = new SlowStore(clock);
  /** Rows that were confirmed, then marked, as a sink does it. */
  const land = (...starts: readonly number[]) => {
    store.rows.push(...starts);
    return marks.mark(rollup.name, starts);
  };
  const dirty = async () => (await marks.dirty(rollup.name)).map(({ start }) => start).sort();
  const start = (deps: Partial<Parameters<typeof runRefresher>[1]> = {}, rollups = [rollup]) => {
    const stop = new AbortController();
    const done = runRefresher(
      rollups,
      { marks, store, clock, logger: silentLogger, random: () => 1, ...deps },
      { stop: stop.signal },
    );
    return () => {
      stop.abort();
      return clock.settle(done);
    };
  };
  return { clock, kept, marks, store, land, dirty, start };
}

describe("a refresh", () => {
  it("counts what is dirty, a day at a time, and nothing else", async () => {
    const { clock, marks, store, land, dirty } = bench();
    await land(hour(1), hour(30), hour(1), hour(2));
    expect(await refreshRollup(rollup, { marks, store, clock })).toBe(3);
    expect(store.asked.map(({ starts }) => starts)).toEqual([[hour(1), hour(2)], [hour(30)]]);
    expect(store.counted).toEqual({ [hour(1)]: 2, [hour(2)]: 1, [hour(30)]: 1 });
    expect(await dirty()).toEqual([]);
    expect(await refreshRollup(rollup, { marks, store, clock })).toBe(0);
    expect(store.asked).toHaveLength(2);
  });

  it("leaves a bucket dirty whose rows came while it was counted, and counts it again", async () => {
    const { clock, marks, store, land, dirty } = bench();
    await land(hour(1), hour(2));
    store.takes = () => 100;
    const refreshing = refreshRollup(rollup, { marks, store, clock });
    await clock.advance(50);
    await land(hour(1));
    await clock.settle(refreshing);
    expect(store.counted).toEqual({ [hour(1)]: 1, [hour(2)]: 1 });
    expect(await dirty()).toEqual([hour(1)]);
    await clock.settle(refreshRollup(rollup, { marks, store, clock }));
    expect(store.counted).toEqual({ [hour(1)]: 2, [hour(2)]: 1 });
    expect(await dirty()).toEqual([]);
  });

  it("has the one that knows more win where two count a bucket, also if the other ends last", async () => {
    const { clock, marks, store, land, dirty } = bench();
    await land(hour(1));
    const takes = [500, 10];
    store.takes = () => takes.shift() ?? 0;
    const stale = refreshRollup(rollup, { marks, store, clock });
    await clock.advance(1);
    await land(hour(1));
    await clock.settle(refreshRollup(rollup, { marks, store, clock }));
    expect(await dirty()).toEqual([]);
    await land(hour(1));
    await clock.settle(stale);
    expect(store.counted).toEqual({ [hour(1)]: 2 });
    expect(await dirty()).toEqual([hour(1)]);
  });

  it("counts the other days where one fails, which stays dirty, and says why", async () => {
    const { clock, marks, store, land, dirty } = bench();
    await land(hour(1), hour(30), hour(60));
    store.takes = ([first]) => (first === hour(30) ? new RetryableError("clickhouse.retry", "memory limit") : 0);
    await expect(refreshRollup(rollup, { marks, store, clock })).rejects.toThrow("memory limit");
    expect(store.counted).toEqual({ [hour(1)]: 1, [hour(60)]: 1 });
    expect(await dirty()).toEqual([hour(30)]);
  });

  const days = (count: number) => Array.from({ length: count }, (_, n) => hour(24 * n));
  const daysOf = (store: SlowStore) => store.asked.map(({ starts }) => starts.map((start) => (start - hour(0)) / 86_400_000));

  it("counts ever more days of a backfill together, as long as they are quick and follow one another", async () => {
    const { clock, marks, store, land, dirty } = bench();
    await land(...days(30), hour(24 * 40), hour(24 * 41));
    expect(await clock.settle(refreshRollup(rollup, { marks, store, clock }))).toBe(32);
    expect(daysOf(store).map((asked) => asked.length)).toEqual([1, 2, 4, 8, 10, 5, 2]);
    expect(await dirty()).toEqual([]);
    store.asked.length = 0;
    store.takes = (starts) => 400 * starts.length;
    await land(...days(9));
    await clock.settle(refreshRollup(rollup, { marks, store, clock }));
    expect(daysOf(store)).toEqual([[0], [1, 2], [3], [4, 5], [6], [7, 8]]);
  });

  it("counts days one by one where they fail together, and one that is too large keeps no other waiting", async () => {
    const { clock, marks, store, land, dirty } = bench();
    await land(...days(6));
    store.takes = (starts) => (starts.includes(hour(48)) ? new RetryableError("clickhouse.retry", "memory limit") : 0);
    await expect(clock.settle(refreshRollup(rollup, { marks, store, clock }))).rejects.toThrow("memory limit");
    expect(daysOf(store)).toEqual([[0], [1, 2], [1], [2, 3], [2], [3], [4, 5]]);
    expect(await dirty()).toEqual([hour(48)]);
    expect(store.counted).toEqual(Object.fromEntries(days(6).flatMap((start) => (start === hour(48) ? [] : [[start, 1]]))));
  });

  it("of all counts every bucket that has rows, and takes off the marks that it has seen", async () => {
    const { clock, marks, store, land, dirty } = bench();
    store.rows.push(hour(1), hour(50));
    await land(hour(2));
    expect(await refreshRollup(rollup, { marks, store, clock }, { all: true })).toBe(3);
    expect(store.counted).toEqual({ [hour(1)]: 1, [hour(2)]: 1, [hour(50)]: 1 });
    expect(await dirty()).toEqual([]);
  });
});

describe("a refresher", () => {
  it("comes out exact and clean, however rows and counts of several overlap", async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { clock, store, land, dirty, start } = bench();
      let state = seed;
      const random = (below: number) => {
        state = (state * 48_271) % 2_147_483_647;
        return state % below;
      };
      store.takes = () => random(3_000);
      const stops = [start(), start()];
      for (let n = 0; n < 60; n++) {
        await land(hour(random(4)), hour(20 + random(9)));
        await clock.advance(random(1_500));
      }
      await clock.until(async () => (await dirty()).length === 0);
      await Promise.all(stops.map((stop) => stop()));
      const truth: Record<number, number> = {};
      for (const row of store.rows) truth[row] = (truth[row] ?? 0) + 1;
      expect(store.counted, `seed ${seed}`).toEqual(truth);
    }
  });

  it("looks once a second, and rests twice as long as a count took", async () => {
    const { clock, store, land, start } = bench();
    const stop = start();
    await clock.advance(10_500);
    expect(store.asked).toHaveLength(0);
    await land(hour(1));
    await clock.advance(1_000);
    expect(store.asked).toHaveLength(1);
    store.takes = () => 10_000;
    for (let n = 0; n < 120; n++) {
      await land(hour(1));
      await clock.advance(1_000);
    }
    expect(store.asked.length).toBeGreaterThan(3);
    expect(store.asked.length).toBeLessThan(7);
    await stop();
  });

  it("counts what was marked and never looked at where the marks have gone back", async () => {
    const { clock, kept, store, land, dirty, start } = bench();
    const stop = start();
    await land(hour(1));
    await clock.advance(1_500);
    const putBack = kept.snapshot();
    await land(hour(1), hour(2));
    putBack();
    await clock.advance(2_500);
    expect(store.counted).toEqual({ [hour(1)]: 2, [hour(2)]: 1 });
    expect(await dirty()).toEqual([]);
    await stop();
  });

  it("counts what another one has marked, and it has seen, where the marks have gone back before it was counted", async () => {
    const { clock, kept, store, dirty, start } = bench();
    const putBack = kept.snapshot();
    store.rows.push(hour(1), hour(30));
    await kept.mark(rollup.name, [hour(1), hour(30)]);
    store.takes = ([first]) => (first === hour(30) ? new RetryableError("clickhouse.retry", "memory limit") : 0);
    const stop = start();
    await clock.advance(500);
    putBack();
    store.takes = () => 0;
    await clock.advance(3_000);
    expect(await dirty()).toEqual([]);
    expect(store.counted).toEqual({ [hour(1)]: 1, [hour(30)]: 1 });
    expect(store.asked.filter(({ starts }) => starts.includes(hour(1)))).toHaveLength(1);
    await stop();
  });

  it("waits while ClickHouse is away, ever longer, and goes on where it was", async () => {
    const { clock, store, land, dirty, start } = bench();
    const book = logBook();
    store.takes = () => new RetryableError("clickhouse.retry", "connect ECONNREFUSED");
    await land(hour(1));
    const stop = start({ logger: book.logger });
    await clock.advance(300_000);
    expect(store.asked.length).toBeGreaterThan(8);
    expect(store.asked.length).toBeLessThan(20);
    expect(await dirty()).toEqual([hour(1)]);
    expect(book.lines).toEqual(["warn: a rollup cannot be refreshed now, trying again"]);
    store.takes = () => 0;
    await clock.advance(31_000);
    expect(await dirty()).toEqual([]);
    expect(book.lines.at(-1)).toBe("info: the rollup is refreshed again");
    await stop();
  });

  it("says aloud what a person has to mend, once, and keeps the buckets dirty", async () => {
    const { clock, store, land, dirty, start } = bench();
    const book = logBook();
    store.takes = () => new ConfigError("clickhouse.schema", "UNKNOWN_TABLE 60");
    await land(hour(1));
    const stop = start({ logger: book.logger });
    await clock.advance(120_000);
    expect(book.lines).toEqual(["error: a rollup cannot be refreshed: its numbers stand still until this is mended"]);
    expect(await dirty()).toEqual([hour(1)]);
    await stop();
  });
});

describe("refreshers of several workers", () => {
  it("share the rollups, one owner each, and take over those of one that ends", async () => {
    const { clock, marks, store, start } = bench();
    const registry = new MemoryRegistry(clock);
    const rollups = Array.from({ length: 12 }, (_, n) => rollupOf(`rollup_${n}`));
    const by = new Map<string, Set<string>>();
    const join = async (name: string) => {
      const { cpu, rssBytes, ...facts } = process(name);
      const presence = await enterRegistry(facts, { registry, clock, logger: silentLogger, load: () => ({ cpu, rssBytes }) });
      const mine: typeof store.recount = (plan, starts, signal) => {
        by.get(plan.name)?.add(name);
        return store.recount(plan, starts, signal);
      };
      const stop = start({ presence, store: { recount: mine, buckets: store.buckets } }, rollups);
      return async () => {
        await stop();
        await clock.settle(presence.close());
      };
    };
    const round = async () => {
      for (const { name } of rollups) {
        by.set(name, new Set());
        await marks.mark(name, [hour(1)]);
      }
      await clock.advance(2_500);
      return rollups.map(({ name }) => [...(by.get(name) ?? [])]);
    };
    // A worker that knows nothing of rollups is left out.
    await registry.announce(process("of-before"), 3_600_000);
    const stops = [await join("one"), await join("two"), await join("three")];
    await clock.advance(5_000);
    const owners = await round();
    expect(owners.every((names) => names.length === 1)).toBe(true);
    expect(new Set(owners.flat())).toEqual(new Set(["one", "two", "three"]));
    await stops.pop()?.();
    await clock.advance(5_000);
    const after = await round();
    expect(after.every((names) => names.length === 1)).toBe(true);
    expect(after.filter((names, n) => owners[n]?.[0] !== "three" && names[0] !== owners[n]?.[0])).toEqual([]);
    await Promise.all(stops.map((stop) => stop()));
  });
});
