import { c, clickhouse, days, defineTable, hours, minutes, pipeline } from "headrace";
import { testPipeline } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { happened, happenings } from "../../support/logs.ts";

const table = defineTable("rows", { columns: { event_id: c.uuid(), n: c.uint8() }, orderBy: ["event_id", "n"] });
const now = new Date("2026-05-01T12:00:00Z");
const event = (id: string, n = 1, key = "a") => ({ id, ...happened({ key, n }), time: now });

describe("dedupe", () => {
  it("lets an id through again when its time is over, and never forgets it before", async () => {
    const test = testPipeline(
      pipeline("p")
        .from(happenings)
        .dedupe("once", { horizonMs: hours(1) })
        .to(clickhouse(table), ({ id, data }) => ({ event_id: id, n: data.n })),
      { now },
    );
    await test.send([event("x")]);
    await test.run();
    await test.send([event("x")]);
    expect((await test.advance(minutes(30))).audit).toMatchObject({ delivered: 1, duplicate: 1 });
    await test.send([event("x")]);
    expect((await test.advance(days(1))).audit).toMatchObject({ delivered: 1, duplicate: 2 });
    await test.send([event("x")]);
    expect((await test.run()).audit).toMatchObject({ delivered: 2, duplicate: 2, balanced: true });
  });

  it("lets an id through once within its horizon, whatever times its events have: before midnight and after it too", async () => {
    const test = testPipeline(
      pipeline("p")
        .from(happenings)
        .dedupe("once", { horizonMs: days(1) })
        .to(clickhouse(table), ({ id, data }) => ({ event_id: id, n: data.n })),
      { now: new Date("2026-05-01T23:59:00Z") },
    );
    const at = (time: string) => ({ ...event("x"), time: new Date(time) });
    await test.send([at("2026-05-01T23:59:59Z"), at("2026-05-02T00:00:01Z")]);
    expect((await test.run()).audit).toMatchObject({ delivered: 1, duplicate: 1 });
    // The sets change at midnight, by the clock.
    await test.send([at("2026-04-20T00:00:00Z")]);
    expect((await test.advance(minutes(2))).audit).toMatchObject({ delivered: 1, duplicate: 2 });
    await test.send([at("2026-05-01T23:59:59Z"), at("2026-05-02T00:00:01Z")]);
    expect((await test.advance(hours(23))).audit).toMatchObject({ delivered: 1, duplicate: 4, balanced: true });
    await test.advance(hours(48));
    await test.send([at("2026-05-02T00:00:01Z")]);
    expect((await test.run()).audit).toMatchObject({ delivered: 2, duplicate: 4, balanced: true });
  });

  it("forgets what a later stage set aside, so that it comes through when it is sent or replayed again", async () => {
    let isBroken = true;
    const test = testPipeline(
      pipeline("p")
        .from(happenings)
        .dedupe("once")
        .map("fragile", (given) => {
          if (isBroken && given.data.n === 2) throw new Error("not yet");
          return given;
        })
        .to(clickhouse(table), ({ id, data }) => ({ event_id: id, n: data.n })),
      { now },
    );
    await test.send([event("x", 1), event("y", 2), event("y", 2)]);
    expect((await test.run()).audit).toMatchObject({ delivered: 1, deadLettered: { "stage-failed": 1 }, duplicate: 1 });
    isBroken = false;
    await test.send([event("y", 2), event("x", 1)]);
    expect((await test.run()).audit).toMatchObject({ delivered: 2, duplicate: 2, balanced: true });
  });

  it("forgets what its sink refused", async () => {
    const test = testPipeline(
      pipeline("p")
        .from(happenings)
        .dedupe("once")
        .to(clickhouse(table), ({ id, data }) => ({ event_id: id, n: data.n })),
      { now },
    );
    for (let n = 0; n < 2; n++) {
      await test.send([event("x", 1), event("large", 1_000)]);
      await test.run();
    }
    expect((await test.run()).audit).toMatchObject({ delivered: 1, duplicate: 1, deadLettered: { "row-refused": 2 } });
  });
});
