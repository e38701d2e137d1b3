import { describe, expect, it } from "vitest";
import { minutes } from "../../../src/core/duration.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { keepMarks } from "../../../src/rollup/kept-marks.ts";
import { createMemoryMarks } from "../../../src/rollup/memory.ts";
import type { DirtyMarks } from "../../../src/rollup/port.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { logBook } from "../../support/log-book.ts";
import { hour } from "../../support/rollup-store.ts";

function bench(change: (marks: DirtyMarks) => Partial<DirtyMarks> = () => ({})) {
  const clock = new VirtualClock();
  const store = createMemoryMarks(clock);
  const { logger, lines } = logBook();
  const kept = keepMarks({ ...store, ...change(store) }, { clock, logger });
  const dirty = async (rollup = "one") => (await store.dirty(rollup)).map(({ start }) => start).sort();
  return { clock, store, kept, lines, dirty };
}

describe("marks that are kept in mind", () => {
  it("are made anew where the store has gone back, once, and it is told", async () => {
    const { store, kept, lines, dirty } = bench();
    const putBack = store.snapshot();
    await kept.mark("one", [hour(1), hour(2)]);
    await kept.mark("two", [hour(3)]);
    expect(await kept.renew("one")).toBe(0);
    putBack();
    expect(await dirty()).toEqual([]);
    expect(await kept.renew("one")).toBe(2);
    expect([await dirty(), await dirty("two")]).toEqual([[hour(1), hour(2)], []]);
    expect(await kept.renew("one")).toBe(0);
    expect(await kept.renew("two")).toBe(1);
    expect(await kept.renew("three")).toBe(0);
    expect(lines).toEqual(
      [1, 2].map(
        () =>
          "warn: marks of a rollup are gone, since Redis has gone back to an earlier state: buckets that were written to lately are counted again",
      ),
    );
  });

  it("are made anew at the next time where that failed", async () => {
    let isAway = false;
    const { store, kept, dirty } = bench((marks) => ({
      mark: async (rollup, starts) => {
        if (isAway) throw new RetryableError("service.unreachable", "away");
        return marks.mark(rollup, starts);
      },
    }));
    const putBack = store.snapshot();
    await kept.mark("one", [hour(1)]);
    putBack();
    isAway = true;
    await expect(kept.renew("one")).rejects.toThrow("away");
    isAway = false;
    expect(await kept.renew("one")).toBe(1);
    expect(await dirty()).toEqual([hour(1)]);
  });

  it("are forgotten after ten minutes, each by itself, and the oldest where they are too many", async () => {
    const { clock, store, kept, dirty } = bench();
    await kept.mark("one", [hour(1), hour(2)]);
    await clock.advance(minutes(6));
    await kept.mark("one", [hour(2), hour(3)]);
    await clock.advance(minutes(6));
    store.snapshot()();
    await kept.clean("one", await kept.dirty("one"));
    expect(await kept.renew("one")).toBe(2);
    expect(await dirty()).toEqual([hour(2), hour(3)]);

    await kept.mark(
      "many",
      Array.from({ length: 100_003 }, (_, n) => hour(n)),
    );
    store.snapshot()();
    await kept.clean("many", await kept.dirty("many"));
    expect(await kept.renew("many")).toBe(100_000);
    expect(await dirty("many")).not.toContain(hour(2));
  });
});
