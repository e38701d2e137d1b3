import { readableJournal, type Stamp } from "./stamp.ts";
import { yearClock } from "./year-clock.ts";
import { zoneTimes } from "./zone.ts";

export interface LogClockOptions {
  /** The year of the first line, for stamps without one. */
  readonly year?: number;
  /** The zone of stamps that tell none. @default UTC */
  readonly zone?: string;
  readonly now: Date;
}

export interface LogClock {
  /** The time of a stamp, or a sentence that says why it has none. */
  readonly timeOf: (stamp: Stamp) => Date | string;
  /** Whether a stamp told no zone, and the caller named none either: it was read as UTC. */
  readonly assumedUtc: () => boolean;
}

/** Turns the stamps of a log into times, in their order. Every stamped line moves it along, whoever wrote it. */
export function logClock({ year, zone, now }: LogClockOptions): LogClock {
  const toTime = zoneTimes(zone);
  const yearOf = yearClock({ now, ...(year !== undefined && { year }) });
  let newest: number | undefined;
  let assumed = false;
  return {
    timeOf: (stamp) => {
      if (stamp.kind === "instant") return stamp.time;
      if (stamp.abbreviation !== undefined && zone === undefined)
        return `'${stamp.abbreviation}' may be more than one zone: name it with --tz, or write the log with '${readableJournal}'`;
      const local = yearOf(stamp);
      if (local === undefined) return "Feb 29 of a year that has none; give the year of the first line";
      assumed ||= zone === undefined;
      const time = toTime(local, newest);
      newest = Math.max(newest ?? time, time);
      return new Date(time);
    },
    assumedUtc: () => assumed,
  };
}
