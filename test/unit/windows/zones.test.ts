import {
  count,
  days,
  hopping,
  hours,
  describe as inWords,
  minutes,
  pipeline,
  session,
  tumbling,
  type WindowSpec,
} from "headrace";
import { testPipeline } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/core/errors.ts";
import { happened, happenings, made, makings } from "../../support/logs.ts";

const counting = (spec: WindowSpec) =>
  pipeline("counting")
    .from(happenings)
    .keyBy(({ data }) => data.key)
    .window(spec)
    .aggregate({ events: count() })
    .emit(makings, ({ start, end, values }) => made({ start: start.toISOString(), end: end.toISOString(), ...values }));

const quarter = minutes(15);

/** What the windows give where something happens each quarter of an hour, from the first moment to before the last. */
async function windowsOf(spec: WindowSpec, from: string, until: string) {
  const [first, end] = [Date.parse(from), Date.parse(until)];
  const run = testPipeline(counting(spec), { now: new Date(end) });
  const times = Array.from({ length: (end - first) / quarter }, (_, i) => first + i * quarter);
  await run.send(times.map((time) => ({ ...happened({ key: "a", n: 1 }), time: new Date(time) })));
  const { rows, audit } = await run.advance(days(3));
  expect(audit).toMatchObject({ delivered: times.length, late: 0, balanced: true });
  return (rows["to"] ?? []).map((row) => row["data"]);
}
const window = (start: string, end: string, events: number) => ({ start: `${start}.000Z`, end: `${end}.000Z`, events });

describe("windows of a day in a zone", () => {
  const berlin = tumbling({ sizeMs: days(1), timeZone: "Europe/Berlin" });

  it("have 23 hours where summer time begins", async () => {
    expect(await windowsOf(berlin, "2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z")).toEqual([
      window("2026-03-27T23:00:00", "2026-03-28T23:00:00", 96),
      window("2026-03-28T23:00:00", "2026-03-29T22:00:00", 92),
      window("2026-03-29T22:00:00", "2026-03-30T22:00:00", 96),
    ]);
  });

  it("have 25 hours where it ends", async () => {
    expect(await windowsOf(berlin, "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z")).toEqual([
      window("2026-10-23T22:00:00", "2026-10-24T22:00:00", 96),
      window("2026-10-24T22:00:00", "2026-10-25T23:00:00", 100),
      window("2026-10-25T23:00:00", "2026-10-26T23:00:00", 96),
    ]);
  });

  it("begin at half past somewhere", async () => {
    const kolkata = tumbling({ sizeMs: days(1), timeZone: "Asia/Kolkata" });
    expect(await windowsOf(kolkata, "2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z")).toEqual([
      window("2026-04-30T18:30:00", "2026-05-01T18:30:00", 74),
      window("2026-05-01T18:30:00", "2026-05-02T18:30:00", 22),
    ]);
  });
});

describe("windows that are moved", () => {
  it("begin earlier by a negative offset: a day eight hours ahead of UTC", async () => {
    const shanghai = tumbling({ sizeMs: days(1), offsetMs: -hours(8) });
    const [from, until] = ["2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z"];
    const moved = await windowsOf(shanghai, from, until);
    expect(moved).toEqual([
      window("2026-04-30T16:00:00", "2026-05-01T16:00:00", 64),
      window("2026-05-01T16:00:00", "2026-05-02T16:00:00", 32),
    ]);
    expect(await windowsOf(tumbling({ sizeMs: days(1), timeZone: "Asia/Shanghai" }), from, until)).toEqual(moved);
  });

  it("overlap as they did", async () => {
    const spec = hopping({ sizeMs: hours(2), hopMs: hours(1), offsetMs: minutes(15) });
    expect(await windowsOf(spec, "2026-05-01T00:00:00Z", "2026-05-01T01:30:00Z")).toEqual([
      window("2026-04-30T22:15:00", "2026-05-01T00:15:00", 1),
      window("2026-04-30T23:15:00", "2026-05-01T01:15:00", 5),
      window("2026-05-01T00:15:00", "2026-05-01T02:15:00", 5),
      window("2026-05-01T01:15:00", "2026-05-01T03:15:00", 1),
    ]);
  });

  it.each([
    [days(1), -hours(8), hours(16)],
    [days(1), hours(40), hours(16)],
    [days(7), days(4), days(4)],
    [hours(1), -days(1), 0],
    [1_000, -0, 0],
  ])("by whole windows stay where they are: %d moved by %d begin at %d", (sizeMs, offsetMs, normal) => {
    expect(tumbling({ sizeMs, offsetMs }).plan).toEqual(tumbling({ sizeMs, offsetMs: normal }).plan);
    expect(tumbling({ sizeMs, offsetMs }).plan.shape).toMatchObject({ offsetMs: normal });
  });

  it("by a hop are the same ones", () => {
    const of = (offsetMs: number) => hopping({ sizeMs: 10_000, hopMs: 4_000, offsetMs }).plan;
    expect(of(-1_000)).toEqual(of(3_000));
    expect(of(4_000)).toEqual(of(0));
  });
});

it("a window says in words where it begins", () => {
  const words = (spec: WindowSpec) => /window +window \(([^,]*)/.exec(inWords(counting(spec)))?.[1];
  expect(words(tumbling({ sizeMs: days(1) }))).toBe("tumbling 86400000 ms");
  expect(words(tumbling({ sizeMs: days(1), offsetMs: -hours(8) }))).toBe("tumbling 86400000 ms from 57600000 ms on");
  expect(words(hopping({ sizeMs: 4_000, hopMs: 2_000, offsetMs: 5 }))).toBe("hopping 4000 ms each 2000 ms from 5 ms on");
  expect(words(tumbling({ sizeMs: days(1), timeZone: "Europe/Berlin" }))).toBe("day in Europe/Berlin");
});

describe("a window is refused, with the way out,", () => {
  it.each([
    ["of a zone that is none", { sizeMs: days(1), timeZone: "Europe/Berln" }, 'timeZone is "Europe/Berln"', "Europe/Berlin"],
    ["of a zone by a number", { sizeMs: days(1), timeZone: 1 }, "timeZone is 1", "Europe/Berlin"],
    ["of another size in a zone", { sizeMs: hours(1), timeZone: "Europe/Berlin" }, "sizeMs is 3600000", "sizeMs: days(1)"],
    [
      "of a zone that is moved too",
      { sizeMs: days(1), timeZone: "UTC", offsetMs: 0 },
      "both a timeZone and an offsetMs",
      "Leave out",
    ],
    ["moved by no number", { sizeMs: 1_000, offsetMs: "1h" }, 'offsetMs is "1h"', "whole milliseconds"],
    ["moved by half a millisecond", { sizeMs: 1_000, offsetMs: 0.5 }, "offsetMs is 0.5", "whole milliseconds"],
    ["moved by NaN", { sizeMs: 1_000, offsetMs: Number.NaN }, "offsetMs is NaN", "whole milliseconds"],
    ["moved by a year", { sizeMs: 1_000, offsetMs: days(365) }, "offsetMs is 31536000000", "24 days"],
  ])("%s", (_, options, message, hint) => {
    const error = refusal(() => tumbling(options as never));
    expect(error.message).toContain("window: tumbling: ");
    expect([error.message, error.hint]).toEqual([expect.stringContaining(message), expect.stringContaining(hint)]);
  });

  it("of a day in a zone that overlaps, and a session that is moved", () => {
    const hop = { sizeMs: days(1), hopMs: hours(1), timeZone: "Europe/Berlin" };
    expect(refusal(() => hopping(hop as never)).message).toBe("window: hopping: there is no 'timeZone'");
    expect(refusal(() => hopping({ sizeMs: 2, hopMs: 1, offsetMs: 0.5 })).hint).toContain("whole milliseconds");
    expect(refusal(() => session({ gapMs: 1, offsetMs: 1 } as never)).message).toBe("window: session: there is no 'offsetMs'");
  });
});

function refusal(make: () => unknown): ConfigError {
  try {
    make();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error as ConfigError;
  }
  throw new Error("it was accepted");
}
