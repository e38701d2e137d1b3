import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseTime, timeFault } from "../../../src/core/rfc3339.ts";

describe("a time", () => {
  it.each([
    ["2026-01-02T03:04:05Z", Date.UTC(2026, 0, 2, 3, 4, 5)],
    ["2026-01-02T03:04:05.678Z", Date.UTC(2026, 0, 2, 3, 4, 5, 678)],
    ["2026-01-02T03:04:05.678901234Z", Date.UTC(2026, 0, 2, 3, 4, 5, 678)],
    ["2026-01-02t03:04:05z", Date.UTC(2026, 0, 2, 3, 4, 5)],
    ["2026-01-02 03:04:05Z", Date.UTC(2026, 0, 2, 3, 4, 5)],
    ["2026-01-02T03:04:05+02:30", Date.UTC(2026, 0, 2, 0, 34, 5)],
    // A leap second is the last millisecond of its minute.
    ["2026-11-28T11:59:60Z", Date.UTC(2026, 10, 28, 11, 59, 59, 999)],
    ["2016-12-31T23:59:60.5Z", Date.UTC(2016, 11, 31, 23, 59, 59, 999)],
    ["2017-01-01T00:59:60+01:00", Date.UTC(2016, 11, 31, 23, 59, 59, 999)],
    ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
    ["2026-12-31T23:59:59-12:00", Date.UTC(2027, 0, 1, 11, 59, 59)],
  ])("of the form %s is understood", (text, at) => {
    expect(parseTime(text)).toBe(at);
  });

  it.each([
    "2026-01-02",
    "2026-01-02T03:04Z",
    "2026-01-02T03:04:05",
    "2026-01-02T03:04:05+0000",
    "2026-01-02T03:04:61Z",
    "2026-13-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-01-02T25:00:00Z",
    "2026-01-02T03:04:05 UTC",
    "02/01/2026",
    "",
    "now",
    1_767_225_600_000,
    null,
    {},
  ])("that is written as %j is not one", (text) => {
    expect(parseTime(text)).toBeUndefined();
  });

  it("that JavaScript wrote is what JavaScript reads, on any day", () => {
    const times = fc.date({ min: new Date(0), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true });
    fc.assert(fc.property(times, (time) => parseTime(time.toISOString()) === time.getTime()));
  });

  it("is read alike with milliseconds and without, whatever its digits and marks", () => {
    const digits = (most: number) => fc.integer({ min: 0, max: most }).map((number) => String(number).padStart(2, "0"));
    const date = fc
      .tuple(fc.constantFrom("1970", "2000", "2024", "2025", "0099"), digits(14), digits(33))
      .map((parts) => parts.join("-"));
    const marks = fc.constantFrom(..."0123456789-:.TtZz /");
    const spoilt = fc.option(fc.tuple(fc.integer({ min: 0, max: 18 }), marks), { nil: undefined, freq: 2 });
    const written = fc.tuple(
      date,
      fc.tuple(digits(26), digits(63), digits(62)).map((parts) => parts.join(":")),
      spoilt,
    );
    fc.assert(
      fc.property(written, ([day, time, spoil]) => {
        const whole = `${day}T${time}`;
        const text = spoil ? whole.slice(0, spoil[0]) + spoil[1] + whole.slice(spoil[0] + 1) : whole;
        // Microseconds are read by the general way, and say the same here.
        expect(parseTime(`${text}.000Z`)).toBe(parseTime(`${text}.000000Z`));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each<[unknown, RegExp | undefined]>([
    ["2026-01-02T03:04:05+0000", /with a colon/],
    ["2026-01-02 03:04:05.123-0730", /with a colon/],
    ["2026-01-02T03:04:05+01", /with minutes/],
    ["2026-01-02T03:04:05", /Z for UTC/],
    ["2026-01-02T03:04:05,123Z", /behind a point/],
    ["2026-01-02T03:04Z", /its seconds/],
    ["2026-01-02", /time of day/],
    [1_767_225_600, /as text/],
    ["yesterday", undefined],
    ["2026-02-30T00:00:00Z", undefined],
    [{}, undefined],
  ])("that is written as %j is refused with a way out where one is near", (time, hint) => {
    expect(timeFault(time)).toContain(JSON.stringify(time));
    if (hint) expect(timeFault(time)).toMatch(hint);
    else expect(timeFault(time)).not.toContain(";");
  });
});
