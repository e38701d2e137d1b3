import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Arrival, parseProgress, Watermark } from "../../../src/state/watermark.ts";

const idleMs = 1_000;
const minute = 60_000;
/** All times lie behind this one: no event is from the future. */
const t = 1_700_000_000_000;

function through(
  arrivals: readonly (readonly [producer: string, time: number, storedAt: number])[],
  from = new Watermark(idleMs),
) {
  for (const [producer, time, storedAt] of arrivals)
    from.advance({ producer, time: t + time, storedAt: t + minute + storedAt } satisfies Arrival);
  return from.mark === 0 ? undefined : from.mark - t;
}

describe("the watermark", () => {
  it("waits until the log is old enough for all producers to have been heard", () => {
    expect(
      through([
        ["a", 10, 0],
        ["a", 20, 999],
      ]),
    ).toBeUndefined();
    expect(
      through([
        ["a", 10, 0],
        ["a", 20, 1_000],
      ]),
    ).toBe(20);
  });

  it("is the least of the newest times of the producers", () => {
    expect(
      through([
        ["a", 500, 0],
        ["b", 10, 500],
        ["a", 600, 1_000],
        ["b", 20, 1_000],
      ]),
    ).toBe(20);
    expect(
      through([
        ["a", 500, 0],
        ["b", 10, 500],
        ["a", 600, 1_000],
        ["b", 700, 1_000],
      ]),
    ).toBe(600);
  });

  it("does not wait for a producer that has been silent", () => {
    expect(
      through([
        ["a", 10, 0],
        ["b", 20, 0],
        ["b", 30, 500],
        ["b", 40, 999],
      ]),
    ).toBeUndefined();
    expect(
      through([
        ["a", 10, 0],
        ["b", 20, 0],
        ["b", 30, 500],
        ["b", 40, 1_000],
      ]),
    ).toBe(40);
  });

  it("never goes back", () => {
    expect(
      through([
        ["a", 10, 0],
        ["a", 50, 1_000],
        ["a", 20, 1_001],
        ["late", 5, 1_002],
      ]),
    ).toBe(50);
  });

  it("counts a time that lies ahead of its storing as the time of its storing", () => {
    expect(
      through([
        ["a", 10, 0],
        ["a", 10 * minute, 1_000],
      ]),
    ).toBe(minute + 1_000);
  });

  it("is the same in whatever portions the log is read", () => {
    const log = Array.from({ length: 200 }, (_, i) => [`p${i % 3}`, ((i * 7_919) % 400) + 10 * i, i * 10] as const);
    const whole = new Watermark(idleMs);
    const marks = log.map((arrival) => through([arrival], whole));
    let portions = new Watermark(idleMs);
    const again = log.map((arrival) => {
      portions = new Watermark(idleMs, portions.toProgress());
      return through([arrival], portions);
    });
    expect(again).toEqual(marks);
    expect(marks.at(-1)).toBeGreaterThan(1_000);
  });

  it("goes on by the clock, from the newest time, when nothing comes from anybody", () => {
    const mark = new Watermark(idleMs);
    expect(mark.at(t + minute)).toBe(0);
    through(
      [
        ["a", 500, 0],
        ["b", 10, 0],
      ],
      mark,
    );
    expect(mark.at(t + minute + 999)).toBe(0);
    expect(mark.at(t + minute + 1_000) - t).toBe(500);
    expect(mark.at(t + minute + 4_000) - t).toBe(3_500);
    mark.rest(t + minute + 4_000);
    expect(mark.mark - t).toBe(3_500);
    expect(through([["a", 600, 5_000]], mark)).toBe(3_500);
  });

  it("keeps its account small however many producers there are", () => {
    const mark = new Watermark(idleMs);
    for (let i = 0; i < 1_000; i++) through([[`p${i}`, i, i % 900]], mark);
    expect(JSON.stringify(mark.toProgress()).length).toBeLessThan(64 * 50 + 300);
  });

  describe("of more producers than there are places", () => {
    /** The marks that a place for each producer gives, by a plain recount. */
    function exact(log: readonly Arrival[]): readonly number[] {
      const newest = new Map<string, { time: number; heard: number }>();
      let mark = 0;
      let now = 0;
      return log.map(({ producer, time, storedAt }) => {
        now = Math.max(now, storedAt);
        newest.set(producer, { time: Math.max(newest.get(producer)?.time ?? 0, Math.min(time, storedAt)), heard: storedAt });
        const times = [...newest.values()].filter(({ heard }) => heard > now - idleMs).map((one) => one.time);
        if (now - (log[0]?.storedAt ?? 0) >= idleMs) mark = Math.max(mark, ...[Math.min(...times)].filter(Number.isFinite));
        return mark;
      });
    }

    /** Producers that are each so far behind the others, and send in the order of their time; some fall silent, and come back. */
    const logs = fc
      .record({
        behind: fc.array(fc.nat(100_000), { minLength: 70, maxLength: 140 }),
        steps: fc.array(fc.record({ of: fc.nat(139), afterMs: fc.nat(8) }), { minLength: 400, maxLength: 1_500 }),
      })
      .map(({ behind, steps }) => {
        let storedAt = t + minute;
        return steps.map(({ of, afterMs }): Arrival => {
          storedAt += afterMs;
          const place = of % behind.length;
          return { producer: `p${place}`, time: storedAt - (behind[place] as number), storedAt };
        });
      });

    it("is never further than with a place for each, in whatever portions the log is read", () => {
      fc.assert(
        fc.property(logs, (log) => {
          const marks = exact(log);
          const whole = new Watermark(idleMs);
          let mark = new Watermark(idleMs);
          for (const [i, arrival] of log.entries()) {
            if (i % 7 === 0) mark = new Watermark(idleMs, parseProgress(JSON.stringify(mark.toProgress()) ?? ""));
            for (const one of [whole, mark]) one.advance(arrival);
            expect(mark.mark).toBe(whole.mark);
            expect(mark.mark).toBeLessThanOrEqual(marks[i] as number);
          }
        }),
        { numRuns: 30, endOnFailure: true },
      );
    });

    it("is no more than twice the idle time behind it while all are heard", () => {
      const log = Array.from({ length: 10_000 }, (_, i): Arrival => {
        const storedAt = t + minute + i;
        return { producer: `p${i % 140}`, time: storedAt - (i % 140) * 100, storedAt };
      });
      const marks = exact(log);
      const mark = new Watermark(idleMs);
      for (const [i, arrival] of log.entries()) {
        mark.advance(arrival);
        if (i > 3 * idleMs) expect(mark.mark).toBeGreaterThanOrEqual((marks[i] as number) - 2 * idleMs);
      }
    });

    it("waits for the one that is days behind, and goes on when it has ended", () => {
      const mark = new Watermark(idleMs);
      const day = 24 * 60 * minute;
      for (let i = 0; i < 40; i++) {
        const lives = Array.from({ length: 100 }, (_, n) => [`live-${n}`, minute + i * 100 + n, i * 100 + n] as const);
        through([...lives, ["slow", i * 100 - 3 * day, i * 100 + 99]], mark);
        expect(mark.mark === 0 || mark.mark <= t + i * 100 - 3 * day).toBe(true);
      }
      for (let i = 40; i < 80; i++) through([[`live-${i % 100}`, minute + i * 100, i * 100]], mark);
      expect(mark.mark).toBeGreaterThan(t + minute);
    });
  });
});
