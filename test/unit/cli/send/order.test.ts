import { count, defineApp, hopping, pipeline, session, tumbling } from "headrace";
import { describe, expect, it } from "vitest";
import { app } from "../../../../pipelines/index.ts";
import { logins } from "../../../../pipelines/streams.ts";
import { MemoryBus } from "../../../../src/bus/memory/bus.ts";
import { Producer } from "../../../../src/bus/producer.ts";
import { inOrder } from "../../../../src/cli/send/inputs.ts";
import { allowedLateness, eventTimeOf } from "../../../../src/cli/send/lateness.ts";
import type { LineSource } from "../../../../src/cli/send/lines.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { days, hours, minutes } from "../../../../src/core/duration.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { happenings, made, makings } from "../../../support/logs.ts";

describe("several files", () => {
  const file = (name: string, written: number): LineSource => ({
    name,
    lines: () => {
      throw new Error("nobody reads it here");
    },
    isFile: true,
    time: new Date(written),
  });

  it("go in the order of their first events, and where one has none, by when it was written", async () => {
    const files = [file("auth.log", 400), file("auth.log.1", 300), file("auth.log.2.gz", 250), file("empty", 180)];
    const begins = new Map([
      ["auth.log", 300],
      ["auth.log.1", 200],
      ["auth.log.2.gz", 100],
    ]);
    const sorted = await inOrder(files, async ({ name }) => begins.get(name));
    expect(sorted.map(({ name }) => name)).toEqual(["auth.log.2.gz", "empty", "auth.log.1", "auth.log"]);
  });

  it("need not be looked into where there is one", async () => {
    const only = [file("auth.log", 1)];
    expect(
      await inOrder(only, () => {
        throw new Error("looked into");
      }),
    ).toBe(only);
  });
});

describe("what would come late", () => {
  it("is known by the window stages that the events come to, also by way of derived streams", () => {
    expect(allowedLateness(app.plan, logins.plan)).toEqual([
      { pipeline: "login-attacks", stage: "bursts", ms: days(1) + minutes(5) },
    ]);
  });

  it.each([
    [tumbling({ sizeMs: hours(1), offsetMs: minutes(5) }), hours(1)],
    [hopping({ sizeMs: hours(2), hopMs: hours(1), allowedLatenessMs: 1 }), hours(2) + 1],
    [tumbling({ sizeMs: days(1), timeZone: "Europe/Berlin" }), hours(25)],
    [session({ gapMs: minutes(5) }), minutes(5)],
  ])("is what is older than a window can be open, of whatever kind", (spec, ms) => {
    const counting = pipeline("counting")
      .from(happenings)
      .keyBy(({ data }) => data.key)
      .window(spec)
      .aggregate({ n: count() })
      .emit(makings, ({ values }) => made(values));
    expect(allowedLateness(defineApp({ pipelines: [counting] }).plan, happenings.plan)).toMatchObject([{ stage: "window", ms }]);
  });

  it("is measured by the newest time in the stream, which goes on by the clock", async () => {
    const bus = new MemoryBus(systemClock);
    expect(await eventTimeOf(bus, logins.plan, systemClock.now())).toBeUndefined();
    const producer = new Producer({ stream: logins.plan, producer: "p" }, { bus, clock: systemClock, logger: silentLogger });
    const stored = systemClock.now();
    const newest = stored - days(3);
    for (const [index, time] of [newest - 5_000, newest, newest - 9_000].entries())
      await producer.send({
        id: `00000000-0000-4000-8000-00000000000${index}`,
        type: "login.failed",
        time,
        source: undefined,
        traceparent: undefined,
        data: { userId: `u${index}`, ip: "203.0.113.7" },
      });
    await producer.close();
    const reached = (await eventTimeOf(bus, logins.plan, systemClock.now())) ?? 0;
    expect(reached).toBeGreaterThanOrEqual(newest);
    expect(reached).toBeLessThanOrEqual(newest + (systemClock.now() - stored));
    expect(await eventTimeOf(bus, logins.plan, systemClock.now() + days(1))).toBeGreaterThanOrEqual(newest + days(1));
  });
});
