import { describe, expect, it } from "vitest";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Entry } from "../../../src/bus/port.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { interpose } from "../../support/interpose.ts";
import { bodyOf, frameOf, poisonEvents, poisonFrames } from "../../support/poison.ts";
import { thingHappened, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const events = (count: number, keys = 3) =>
  Array.from({ length: count }, (_, n) => envelopeOf(n, "thing.happened", { key: `k${n % keys}`, n }));
const first = (stream: ReturnType<typeof things>) => partitionsOf(stream.plan)[0] as Partition;
const table = thingTable("rows");
const copy = (stream = things()) => pipeline("copy").from(stream).to(clickhouse(table), thingRow);

describe("a worker that reads what it cannot process", () => {
  it.each([
    ...poisonEvents,
    ...Object.entries(poisonFrames).map(([what, fields]) => [what, "undecodable", fields] as const),
    ["no events in a frame", "undecodable", frameOf({ s: [], id: [], t: [], d: [] }, { n: "0" })],
    ["a frame that announces fewer than none", "undecodable", frameOf(bodyOf({}), { n: "-5" })],
    ["a frame that announces half an event", "undecodable", frameOf(bodyOf({}), { n: "1.5" })],
    ["a frame that announces an endless number", "undecodable", frameOf(bodyOf({}), { n: "Infinity" })],
    ["a column that is too short", "undecodable", frameOf(bodyOf({ d: [[["a"], []]] }))],
    ["a frame of another version", "undecodable", frameOf(bodyOf({}), { v: "2" })],
    ["a frame with another checksum", "undecodable", frameOf(bodyOf({}), { h: "0".repeat(16) })],
    ["an entry without an event", "no-data-field", { hello: "world" }],
  ] as const)("sets it aside and goes on: %s", async (_, reason, fields) => {
    const bench = new Workbench();
    const stream = things();
    const finished = copy(stream);
    const [before, after] = events(2);
    await bench.store(first(stream), [before as never]);
    bench.bus.appendPlain(first(stream), fields);
    await bench.store(first(stream), [after as never]);
    const worker = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({
      read: 3,
      delivered: 2,
      deadLettered: { [reason]: 1 },
      balanced: true,
    });
    await worker.stop();
    expect(bench.sink("rows").rows).toHaveLength(2);
    const [letter] = await bench.deadLetters(finished.plan);
    expect(letter).toMatchObject({ reason });
    // Nothing that is set aside is without what it was.
    expect(
      letter?.original === undefined ? letter?.fields.map(([name, value]) => [name, String(value)]) : letter.original,
    ).toEqual(
      letter?.original === undefined
        ? Object.entries(fields).map(([name, value]) => [name, String(value)])
        : expect.stringContaining("thing.happened"),
    );
  });

  it("sets it aside in an adopted stream too, where an entry counts as one event until it is opened", async () => {
    const bench = new Workbench();
    const stream = defineStream("adopted", { events: [thingHappened], adopt: "app:things" });
    const finished = copy(stream);
    const plain = { data: JSON.stringify({ type: "thing.happened", data: { key: "k", n: 1 } }) };
    for (const fields of [...Object.values(poisonFrames), ...poisonEvents.map(([, , it]) => it)]) {
      bench.bus.appendPlain(first(stream), fields);
      bench.bus.appendPlain(first(stream), plain);
    }
    const worker = bench.start([finished]);
    const good = Object.keys(poisonFrames).length + poisonEvents.length;
    expect(await bench.drained(finished)).toMatchObject({
      read: 2 * good,
      delivered: good,
      deadLettered: { undecodable: Object.keys(poisonFrames).length },
      balanced: true,
    });
    await worker.stop();
  });

  it("gives an entry up without decoding it, since that may be what crashes its readers", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = copy(stream);
    const [before, after] = events(2);
    await bench.store(first(stream), [before as never]);
    bench.bus.appendPlain(first(stream), frameOf(bodyOf()));
    await bench.store(first(stream), [after as never]);
    // A value that nobody can look at.
    const untouchable = new Proxy(Buffer.alloc(0), {
      get: (target, name) => {
        if (name === "length") return target.length;
        throw new Error(`somebody has looked at its ${String(name)}`);
      },
    });
    const worker = bench.start([finished], {
      bus: interpose(bench.bus, async (call, method) => {
        const answer = (await call()) as { readonly entries?: readonly Entry[] };
        if (method !== "read" || !answer.entries) return answer;
        const entries = answer.entries.map((entry) =>
          String(entry.fields?.[3]) === "p" ? { ...entry, deliveries: 7, fields: [untouchable] } : entry,
        );
        return { ...answer, entries };
      }),
    });
    expect(await bench.drained(finished)).toMatchObject({
      read: 3,
      delivered: 2,
      deadLettered: { "gave-up": 1 },
      balanced: true,
    });
    await worker.stop();
    const [letter] = await bench.deadLetters(finished.plan);
    expect(letter).toMatchObject({ stage: "delivery", reason: "gave-up", entry: expect.stringMatching(/-/) });
    expect(letter?.fields.map(([name]) => name)).toEqual(Object.keys(frameOf(bodyOf())));
  });

  it("sets aside an event that vanishes in a stage", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = pipeline("vanishing")
      .from(stream)
      .flatMap("explode", (event) => (event.data.n === 1 ? (new Set([event]) as never) : [event]))
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(3));
    const worker = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({
      read: 3,
      delivered: 2,
      deadLettered: { "stage-failed": 1 },
      balanced: true,
    });
    await worker.stop();
  });

  it("sets aside an event whose fold returns no state", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = pipeline("forgetful")
      .from(stream)
      .fold("state", {
        key: (event) => event.data.key,
        initial: 0,
        decide: (_, event) => [event],
        evolve: (state, { data }) => (data.n === 1 ? (undefined as never) : state + 1),
      })
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(6));
    const worker = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({
      read: 6,
      delivered: 5,
      deadLettered: { "stage-failed": 1 },
      balanced: true,
    });
    await worker.stop();
    expect(await bench.states(finished, first(stream), ["state\nk0", "state\nk1"])).toEqual([2, 1]);
  });
});
