import { type LocalStamp, midnight } from "./stamp.ts";

const dayMs = 86_400_000;
const halfYearMs = 183 * dayMs;
const disorderMs = 7 * dayMs;

export interface YearClockOptions {
  /** The year of the first stamped line. */
  readonly year?: number;
  readonly now: Date;
}

/**
 * Gives the stamps of a log their year: local time in milliseconds, as if it were UTC; undefined for a Feb 29 of a year that has none.
 *
 * The first line is of `year`, else of the latest year that does not put it more than a day after `now`.
 * From there the year follows the newest time seen:
 * - a step back of over half a year (December, then January) is a new year;
 * - a step ahead of over half a year (January, then December) is a late line of the old year, when it is at most a week older
 *   than the newest, or when this year's date still lies in the future; otherwise the log was simply quiet for so long;
 * - any smaller step, either way, stays in the year.
 */
export function yearClock({ year, now }: YearClockOptions): (stamp: LocalStamp) => number | undefined {
  const latest = now.getTime() + dayMs;
  let newest: number | undefined;

  const firstYear = (stamp: LocalStamp): number => {
    if (year !== undefined) return year;
    const next = now.getUTCFullYear() + 1;
    // Eight years back, because leap years may lie that far apart.
    for (let candidate = next; candidate > next - 10; candidate--) {
      const time = timeIn(candidate, stamp);
      if (time !== undefined && time <= latest) return candidate;
    }
    return now.getUTCFullYear();
  };

  const nextYear = (stamp: LocalStamp, reference: number): number => {
    const current = new Date(reference).getUTCFullYear();
    const time = roughTimeIn(current, stamp);
    if (time < reference - halfYearMs) return current + 1;
    if (time <= reference + halfYearMs) return current;
    const isLateLine = roughTimeIn(current - 1, stamp) >= reference - disorderMs;
    const isImpossible = time > latest && reference <= latest;
    return isLateLine || isImpossible ? current - 1 : current;
  };

  return (stamp) => {
    const found = stamp.year ?? (newest === undefined ? firstYear(stamp) : nextYear(stamp, newest));
    const time = timeIn(found, stamp);
    if (time !== undefined) newest = Math.max(newest ?? time, time);
    return time;
  };
}

function timeIn(year: number, { month, day, msOfDay }: LocalStamp): number | undefined {
  const start = midnight(year, month, day);
  return start === undefined ? undefined : start + msOfDay;
}

/** Near enough to compare years with: Feb 29 counts as Mar 1 where there is none. */
const roughTimeIn = (year: number, { month, day, msOfDay }: LocalStamp): number => Date.UTC(year, month, day) + msOfDay;
