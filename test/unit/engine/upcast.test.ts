import { describe, expect, it } from "vitest";
import { z } from "zod";
import { encodeFrame } from "../../../src/bus/frame.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { defineEvent } from "../../../src/dsl/event.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { testPipeline } from "../../../src/testing/test-pipeline.ts";
import { thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const measured = defineEvent("thing.measured", z.object({ key: z.string(), grams: z.int() }), {
  key: ({ key }) => key,
  version: 3,
  upcast: {
    1: (data) => ({ ...(data as object), kilograms: (data as { weight: number }).weight }),
    2: (data) => {
      const { key, kilograms } = data as { key: string; kilograms: number };
      if (kilograms < 0) throw new Error("nothing weighs less than nothing");
      return { key, grams: Math.round(kilograms * 1000) };
    },
  },
});
const stream = defineStream("measures", { events: [measured], partitions: 1 });
const adopted = defineStream("foreign", { events: [measured], adopt: "app:measures" });
const table = thingTable("rows");
const weighing = pipeline("weighing")
  .from(stream, adopted)
  .to(clickhouse(table), ({ id, time, data }) => ({ event_id: id, key: data.key, n: data.grams, at: time }));

describe("an event of an older version", () => {
  it("is brought up one version after the other, and one that is newer than the code is set aside with its version", async () => {
    const bench = new Workbench();
    const [partition] = partitionsOf(stream.plan) as [Partition];
    const of = (n: number, version: number | undefined, data: object) => ({ ...envelopeOf(n, "thing.measured", data), version });
    await bench.store(partition, [
      of(1, undefined, { key: "a", weight: 1.5 }),
      of(2, 1, { key: "b", weight: 2 }),
      of(3, 2, { key: "c", kilograms: 3 }),
      of(4, 3, { key: "d", grams: 4 }),
      of(5, 4, { key: "e", grams: 5, unit: "g" }),
      of(6, 2, { key: "f", kilograms: -1 }),
      of(7, 2, { key: "g", pounds: 1 }),
    ]);
    const worker = bench.start([weighing]);
    expect(await bench.drained(weighing)).toMatchObject({
      read: 7,
      delivered: 4,
      deadLettered: { "version-unknown": 1, "schema": 2 },
      balanced: true,
    });
    await worker.stop();
    expect(bench.sink("rows").rows.map((row) => (row as { n: number }).n)).toEqual([1500, 2000, 3000, 4]);
    const letters = await bench.deadLetters(weighing.plan);
    expect(letters.map(({ error }) => error)).toEqual([
      "'thing.measured' is of version 4, and this code knows 3",
      expect.stringContaining("nothing weighs less than nothing"),
      expect.stringContaining("grams"),
    ]);
    expect(letters.map(({ original }) => JSON.parse(original ?? "{}").version)).toEqual([4, 2, 2]);
  });

  it("is read from entries of other programs, where no version means the first", async () => {
    const test = testPipeline(weighing);
    const data = (version: unknown, content: object) => ({
      data: JSON.stringify({ type: "thing.measured", version, data: content }),
    });
    test.add(data(undefined, { key: "a", weight: 1 }), adopted);
    test.add(data(3, { key: "b", grams: 2 }), adopted);
    test.add({ type: "thing.measured", version: "2", data: JSON.stringify({ key: "c", kilograms: 3 }) }, adopted);
    test.add(data("new", { key: "d", grams: 4 }), adopted);
    const { rows, audit } = await test.run();
    expect(rows["to"]?.map((row) => row["n"])).toEqual([1000, 2, 3000]);
    expect(audit.deadLettered).toEqual({ "bad-version": 1 });
  });

  it("is not what a producer of this code sends, nor what its pipelines derive", async () => {
    const raw = defineStream("raw", { events: [measured], partitions: 1 });
    const copying = pipeline("copying")
      .from(raw)
      .emit(stream, ({ data }) => measured(data));
    const sent = testPipeline(copying);
    await sent.send([measured({ key: "a", grams: 7 })]);
    const { rows, audit } = await sent.run();
    expect(audit).toMatchObject({ read: 1, delivered: 1, deadLettered: {} });
    expect(rows["to"]).toMatchObject([{ data: { key: "a", grams: 7 } }]);
  });

  it("costs frames nothing where all are of version 1", () => {
    const frame = encodeFrame([envelopeOf(1, "thing.measured", { key: "a" })]);
    expect(JSON.parse(String(frame.body)).s).toEqual([["thing.measured", ["key"]]]);
    const second = encodeFrame([{ ...envelopeOf(1, "thing.measured", { key: "a" }), version: 2 }]);
    expect(JSON.parse(String(second.body)).s).toEqual([["thing.measured", ["key"], 2]]);
  });

  it("is refused a step of upcast that leads nowhere", () => {
    expect(() => defineEvent("thing.measured", z.object({}), { version: 2, upcast: { 2: (data) => data } })).toThrow(
      "event 'thing.measured': upcast begins at version 2, and the event's is 2",
    );
    expect(() => defineEvent("thing.measured", z.object({}), { version: 0 })).toThrow("version is 0");
  });
});
