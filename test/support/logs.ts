import fc from "fast-check";
import { defineEvent, defineStream, seconds } from "headrace";
import type { LogEvent } from "headrace/testing";
import { z } from "zod";

/** The event of made-up logs: something with a key and a number. */
export const happened = defineEvent("thing.happened", z.object({ key: z.string(), n: z.number() }), { key: ({ key }) => key });
export const happenings = defineStream("happenings", { events: [happened], partitions: 2 });

/** What pipelines under test make of them. */
export const made = defineEvent("thing.made", z.record(z.string(), z.unknown()), { key: () => "" });
export const makings = defineStream("makings", { events: [made], partitions: 1 });

/** An event of a log, as plain recounts take it. */
export interface Happening {
  readonly id: string;
  readonly key: string;
  readonly n: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export const happening = ({ id, time, data }: LogEvent): Happening => ({
  id,
  time: time.getTime(),
  ...(data as { key: string; n: number }),
});

/** Logs of some minutes or hours, of three keys, with bursts and silences. */
export const logs = (maxLength = 30): fc.Arbitrary<readonly LogEvent[]> =>
  fc
    .array(
      fc.record({
        key: fc.constantFrom("a", "b", "c"),
        n: fc.integer({ min: -5, max: 20 }),
        /** Tenths of a second behind the one before. */
        gap: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 100 }) }, fc.integer({ min: 100, max: 3_000 })),
      }),
      { minLength: 1, maxLength },
    )
    .map((steps) => {
      let time = Date.UTC(2026, 0, 1, 12);
      return steps.map(({ key, n, gap }, i) => {
        time += gap * 100;
        return { id: `event-${i}`, ...happened({ key, n }), time: new Date(time) };
      });
    });

/** Events come by so much out of order at most, in event time. */
export const shuffledMs = seconds(40);
/** Event time moves on a little while nothing comes: that much more is allowed for. */
export const latenessMs = shuffledMs + seconds(5);
