import { describe, expect, it } from "vitest";
import { type Arrival, Watermark } from "../../../src/state/watermark.ts";

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
    expect(Object.keys(mark.toProgress()?.producers ?? {}).length).toBeLessThanOrEqual(65);
  });
});
