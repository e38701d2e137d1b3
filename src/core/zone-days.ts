import { days } from "./duration.ts";
import { getOrMake } from "./get-or-make.ts";

/** A day as the people of a zone count it, milliseconds since the epoch: it ends before `end`. */
export interface ZoneDay {
  readonly start: number;
  readonly end: number;
}

/** Whether there is a time zone of this name, such as `Europe/Berlin`. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * Tells in which day of a zone a moment is. Days go from midnight to midnight, and have 23 or 25 hours where clocks are moved between
 * them. Intl, which knows, is slow: it is asked once for each midnight.
 *
 * @throws RangeError where there is no such zone
 */
export function zoneDays(timeZone: string): (time: number) => ZoneDay {
  const dateAt = dates(timeZone);
  const midnights = new Map<number, number>();
  const midnight = (date: number): number => getOrMake(midnights, date, () => firstMoment(date, dateAt));
  return (time) => {
    let date = Math.floor(time / days(1));
    while (midnight(date) > time) date--;
    while (midnight(date + 1) <= time) date++;
    return { start: midnight(date), end: midnight(date + 1) };
  };
}

/** The first moment of a date, or of a later one where the zone has left it out. No zone is a whole day off UTC. */
function firstMoment(date: number, dateAt: (time: number) => number): number {
  let before = days(date - 1);
  let reached = days(date + 1);
  while (reached - before > 1) {
    const middle = Math.floor((before + reached) / 2);
    if (dateAt(middle) < date) before = middle;
    else reached = middle;
  }
  return reached;
}

/** The date that a zone's calendars show, in days since 1970-01-01. */
function dates(timeZone: string): (time: number) => number {
  const format = new Intl.DateTimeFormat("en-US", { timeZone, year: "numeric", month: "numeric", day: "numeric" });
  return (time) => {
    const parts = new Map(format.formatToParts(time).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? Number.NaN;
    return Date.UTC(part("year"), part("month") - 1, part("day")) / days(1);
  };
}
