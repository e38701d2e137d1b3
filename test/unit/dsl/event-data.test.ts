import { clickhouse, days, defineApp, defineEvent, defineStream, hours, pipeline } from "headrace";
import { testPipeline } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { checkApp } from "../../../src/plan/check.ts";
import { thingHappened, thingRow, thingTable } from "../../support/things.ts";

class Money {
  readonly cents = 1;
}
const now = new Date("2026-05-01T12:00:00Z");
const rows = clickhouse(thingTable("rows"));

describe("the schema of an event", () => {
  it.each([
    ["date at 'at'", z.object({ at: z.date() })],
    ["date at 'lines.at'", z.object({ lines: z.array(z.object({ at: z.date().optional() })) })],
    ["bigint at 'n'", z.object({ n: z.union([z.string(), z.bigint()]) })],
    ["map at 'm'", z.object({ m: z.map(z.string(), z.number()) })],
    ["set", z.set(z.string())],
    ["instance of Money at 'm'", z.object({ m: z.instanceof(Money) })],
  ])("that takes a %s is refused, since data is JSON", (what, schema) => {
    expect(() => defineEvent("a.b", schema as never)).toThrow(`event 'a.b': its schema takes a ${what}`);
  });

  it.each([
    z.object({ at: z.iso.datetime(), n: z.number().default(1), more: z.unknown(), x: z.custom() }),
    z.object({ at: z.coerce.date() }),
    z.array(z.record(z.string(), z.null())),
  ])("that takes JSON is taken", (schema) => {
    expect(() => defineEvent("a.b", schema as never)).not.toThrow();
  });
});

describe("half a character", () => {
  it("is refused at the door of a producer", async () => {
    const test = testPipeline(
      pipeline("p")
        .from(defineStream("things", { events: [thingHappened], partitions: 1 }))
        .to(rows, thingRow),
      { now },
    );
    await expect(test.send([thingHappened({ key: "cup-\ud83d", n: 1, orders: [] })])).rejects.toThrow("half a character");
    await test.send([thingHappened({ key: "cup-😀 \\ud83d", n: 1, orders: [] })]);
    expect((await test.run()).audit).toMatchObject({ delivered: 1, deadLettered: {} });
  });
});

describe("how old an event may be", () => {
  const brief = defineStream("brief", { events: [thingHappened], partitions: 1, maxAgeMs: days(7) });

  it("is what the stream says", async () => {
    const test = testPipeline(pipeline("p").from(brief).to(rows, thingRow), { now });
    for (const age of [days(7), days(7) + 1, days(80)])
      await test.send([thingHappened({ key: "k", n: 1, orders: [] }, { time: new Date(now.getTime() - age) })]);
    const { audit, deadLetters } = await test.run();
    expect(audit).toMatchObject({ delivered: 1, deadLettered: { "too-old": 2 }, balanced: true });
    expect(deadLetters[0]?.error).toContain("older than stream 'brief' takes: 168 hours");
  });

  it("is told by the check where dedupe forgets sooner", () => {
    const of = (horizonMs: number) =>
      checkApp(
        defineApp({ pipelines: [pipeline("p").from(brief).dedupe("once", { horizonMs }).to(rows, thingRow)], tables: [] }).plan,
      );
    expect(of(days(7))).toEqual([]);
    expect(of(hours(24))).toEqual([expect.objectContaining({ code: "dedupe-short", where: "pipeline 'p', stage 'once'" })]);
  });

  it("is refused where it is none", () => {
    for (const maxAgeMs of [0, -1, days(401), Number.NaN])
      expect(() => defineStream("wrong", { events: [thingHappened], maxAgeMs })).toThrow("maxAgeMs");
  });
});

describe("a timer of silence", () => {
  it("by our clock is not put off by one reading of a device whose clock is ahead", async () => {
    const watching = pipeline("watching")
      .from(defineStream("things", { events: [thingHappened], partitions: 1 }))
      .fold("device", {
        key: (event) => event.key,
        initial: { n: 0 },
        decide: (_, event) => [{ ...event, lost: false }],
        onTimer: (_, { at }) => [
          { id: "00000000-0000-4000-8000-000000000001", time: at, data: { key: "k", n: -1, orders: [] }, lost: true } as never,
        ],
        evolve: (state, { lost }) => (lost ? null : { n: state.n + 1 }),
        timers: () => ({ silent: { clock: "processing", afterMs: 300_000 } }),
      })
      .to(rows, (one) => thingRow(one as never));
    const test = testPipeline(watching, { now });
    const beat = (ahead: number) => thingHappened({ key: "k", n: 1, orders: [] }, { time: new Date(now.getTime() + ahead) });
    await test.send([beat(hours(1))]);
    await test.run();
    const before = (await test.advance(240_000)).rows["to"] ?? [];
    expect(before.filter((row) => (row as { n: number }).n === -1)).toHaveLength(0);
    await test.send([beat(0)]);
    await test.run();
    const still = (await test.advance(240_000)).rows["to"] ?? [];
    expect(still.filter((row) => (row as { n: number }).n === -1)).toHaveLength(0);
    const after = (await test.advance(120_000)).rows["to"] ?? [];
    expect(after.filter((row) => (row as { n: number }).n === -1)).toHaveLength(1);
  });
});
