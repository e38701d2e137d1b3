import { clickhouse, defineStream, drop, hours, minutes, pipeline, type Stream } from "headrace";
import { testPipeline } from "headrace/testing";
import { describe, expect, it } from "vitest";
import { adoptedThings, type Thing, thingHappened, thingRow, thingTable } from "../../support/things.ts";

const theirs = adoptedThings();
const table = thingTable("rows");
const now = new Date("2026-05-01T12:00:00Z");
const event = (change: object = {}) => ({
  data: JSON.stringify({ id: "evt-1", type: "thing.happened", data: { key: "k", n: 1 }, ...change }),
});

const plain = (stream: Stream<Thing> = theirs) => pipeline("plain").from(stream).to(clickhouse(table), thingRow);
const keyed = pipeline("keyed")
  .from(theirs)
  .fold("sum", {
    key: ({ key }) => key,
    initial: 0,
    decide: (_, one: Thing) => (one.data.n === 9 ? drop("nine") : [one]),
    evolve: (sum, one) => sum + one.data.n,
  })
  .to(clickhouse(table), thingRow);

describe.each([
  ["without state", plain()],
  ["with state", keyed],
])("an event that another program writes twice, read by a pipeline %s,", (_, of) => {
  it("is one event: the first counts with its time, the second is a duplicate", async () => {
    const test = testPipeline(of, { now });
    test.add(event());
    await test.advance(1_000);
    test.add(event());
    test.add(event());
    const { rows, audit, deadLetters } = await test.run();
    expect(rows["to"]).toEqual([expect.objectContaining({ at: now, n: 1 })]);
    expect(audit).toMatchObject({ read: 3, delivered: 1, duplicate: 2, deadLettered: {}, balanced: true });
    expect(deadLetters).toEqual([]);
  });

  it.each([
    ["another time", { time: "2026-05-01T11:00:00Z" }],
    ["other data", { data: { key: "k", n: 2 } }],
  ])("with %s is a conflict, which is counted apart and kept, and comes through when it is replayed", async (_, change) => {
    const test = testPipeline(of, { now });
    test.add(event());
    await test.run();
    test.add(event(change));
    const { rows, audit, deadLetters } = await test.run();
    expect(rows["to"]).toHaveLength(1);
    expect(audit).toMatchObject({ read: 2, delivered: 1, deadLettered: { conflict: 1 }, balanced: true });
    expect(deadLetters).toEqual([expect.objectContaining({ stage: "identity", reason: "conflict" })]);
    expect(String(deadLetters[0]?.fields[0]?.[1])).toBe(event(change).data);
  });

  it("is a duplicate also where each attempt is traced on its own, and where attributes are fields", async () => {
    const test = testPipeline(of, { now });
    for (const span of ["1", "2"])
      test.add(event({ traceparent: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333${span}-01` }));
    const fields = { type: "thing.happened", id: "evt-2", data: '{"key":"k","n":1}' };
    for (const traceparent of ["a", "b"]) test.add({ ...fields, traceparent });
    test.add({ ...fields, time: now.toISOString() });
    const { audit } = await test.run();
    expect(audit).toMatchObject({ delivered: 2, duplicate: 2, deadLettered: { conflict: 1 }, balanced: true });
  });

  it("is another event under another source, and without an id", async () => {
    const test = testPipeline(of, { now });
    for (const change of [{ source: "/web" }, { source: "/vpn" }, {}, { id: null }, { id: null }, { source: "/web" }])
      test.add(event(change));
    expect((await test.run()).audit).toMatchObject({ delivered: 5, duplicate: 1, balanced: true });
  });

  it("counts once whatever dies in between", async () => {
    for (const call of ["commit", "read"] as const) {
      for (const when of ["before", "after"] as const) {
        const test = testPipeline(of, { now });
        test.add(event());
        test.crash({ call, when });
        await test.run();
        test.add(event());
        test.crash({ call, when });
        const { rows, audit } = await test.run();
        expect(new Set(rows["to"]?.map((row) => JSON.stringify(row)))).toHaveProperty("size", 1);
        expect(audit).toMatchObject({ delivered: 1, duplicate: 1, balanced: true });
      }
    }
  });

  it("counts when it comes again after it was set aside", async () => {
    const test = testPipeline(of, { now });
    test.add(event({ data: { key: "k", n: "one" } }));
    test.add(event());
    test.add(event());
    expect((await test.run()).audit).toMatchObject({ delivered: 1, duplicate: 1, deadLettered: { schema: 1 } });
    // What a sink refuses was in already: it is forgotten.
    test.add(event({ id: "evt-2", data: { key: "k", n: 2 ** 40 } }));
    await test.run();
    test.add(event({ id: "evt-2", data: { key: "k", n: 2 } }));
    const { audit } = await test.run();
    expect(audit).toMatchObject({ delivered: 2, deadLettered: { "schema": 1, "row-refused": 1 }, balanced: true });
    // And a bad one takes nothing from the good one before it, in the same read.
    test.add(event({ id: "evt-3" }));
    test.add(event({ id: "evt-3", time: "2026-05-01T11:00:00Z" }));
    test.add(event({ id: "evt-3" }));
    expect((await test.run()).audit).toMatchObject({ delivered: 3, duplicate: 2, deadLettered: { conflict: 1 }, balanced: true });
  });
});

describe("how long names are remembered", () => {
  it("is what the stream says", async () => {
    const brief = defineStream("brief", { events: [thingHappened], adopt: "brief", identity: { rememberMs: hours(1) } });
    const test = testPipeline(plain(brief), { now });
    test.add(event());
    await test.run();
    await test.advance(minutes(59));
    test.add(event());
    expect((await test.run()).audit).toMatchObject({ delivered: 1, duplicate: 1 });
    await test.advance(hours(3));
    test.add(event());
    expect((await test.run()).audit).toMatchObject({ delivered: 2, duplicate: 1, balanced: true });
  });

  it("is not at all where it says so", async () => {
    const none = defineStream("none", { events: [thingHappened], adopt: "none", identity: "forget" });
    const test = testPipeline(plain(none), { now });
    for (let n = 0; n < 2; n++) test.add(event());
    expect((await test.run()).audit).toMatchObject({ delivered: 2, duplicate: 0 });
  });

  it("is refused where it is no time or no number", () => {
    for (const identity of [{ rememberMs: 0 }, { maxNames: 1.5 }, { rememberMS: 1 }]) {
      expect(() => defineStream("wrong", { events: [thingHappened], adopt: "w", identity })).toThrow("stream 'wrong': identity");
    }
  });
});
