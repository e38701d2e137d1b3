import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hours } from "../../../src/core/duration.ts";
import { isTimeZone, zoneDays } from "../../../src/core/zone-days.ts";

/** The date on a wall of the zone. */
const dateIn = (timeZone: string) => {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  return (time: number) => format.format(time);
};

describe("days of a zone", () => {
  it.each([
    ["Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", 23],
    ["Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", 25],
    ["Europe/Berlin", "2026-06-01T00:00:00+02:00", "2026-05-31T22:00:00Z", 24],
    ["Asia/Kolkata", "2026-03-29T18:30:00Z", "2026-03-29T18:30:00Z", 24],
    ["Australia/Lord_Howe", "2026-04-05T00:00:00Z", "2026-04-04T13:00:00Z", 24.5],
    // There the clock is moved at midnight: a day begins at one, and another has its last hour twice.
    ["America/Santiago", "2026-09-06T12:00:00Z", "2026-09-06T04:00:00Z", 23],
    ["America/Santiago", "2026-04-04T12:00:00Z", "2026-04-04T03:00:00Z", 25],
    // Samoa had no 30 December.
    ["Pacific/Apia", "2011-12-30T09:59:59.999Z", "2011-12-29T10:00:00Z", 24],
    ["Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", 24],
    ["UTC", "1969-12-31T12:00:00Z", "1969-12-31T00:00:00Z", 24],
  ])("of %s, %s is in the one that begins at %s and has %d hours", (timeZone, time, begins, long) => {
    const { start, end } = zoneDays(timeZone)(Date.parse(time));
    expect([new Date(start).toISOString(), end - start]).toEqual([new Date(begins).toISOString(), hours(long)]);
  });

  it.each([
    "Europe/Berlin",
    "America/St_Johns",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Atlantic/Azores",
    "America/Nuuk",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Africa/Casablanca",
  ])("of %s hold what has their date, and nothing else", (timeZone) => {
    const dayOf = zoneDays(timeZone);
    const dateAt = dateIn(timeZone);
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2020), max: Date.UTC(2040) }), (time) => {
        const { start, end } = dayOf(time);
        expect(start <= time && time < end).toBe(true);
        expect([start, end - 1].map(dateAt)).toEqual([dateAt(time), dateAt(time)]);
        expect(dateAt(start - 1) < dateAt(time) && dateAt(time) < dateAt(end)).toBe(true);
        expect(dayOf(end).start).toBe(end);
      }),
      { numRuns: 200 },
    );
  });

  it("exist of zones that there are", () => {
    expect(["Europe/Berlin", "UTC", "Europe/Berln", "", "+25:00"].map(isTimeZone)).toEqual([true, true, false, false, false]);
    expect(() => zoneDays("Europe/Berln")).toThrow(RangeError);
  });
});
