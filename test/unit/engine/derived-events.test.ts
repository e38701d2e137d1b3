import { describe, expect, it } from "vitest";
import { EntryFields } from "../../../src/bus/fields.ts";
import { encodeFrame } from "../../../src/bus/frame.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { minutes } from "../../../src/core/duration.ts";
import { uuidOf } from "../../../src/core/hash.ts";
import { count } from "../../../src/dsl/aggregators/numbers.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream, type Stream } from "../../../src/dsl/stream.ts";
import { tumbling } from "../../../src/dsl/window.ts";
import { decodeAll } from "../../support/decode-all.ts";
import { interpose } from "../../support/interpose.ts";
import { adoptedThings, type Thing, thingHappened, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const events = (count: number, keys = 3) =>
  Array.from({ length: count }, (_, n) => envelopeOf(n, "thing.happened", { key: `k${n % keys}`, n }));
const table = thingTable("rows");

/** Whose the events of a stream are, by their numbers, as their frames say. */
const makersIn = (bench: Workbench, { plan }: Stream<Thing>) =>
  partitionsOf(plan)
    .flatMap((partition) => bench.bus.entriesOf(partition))
    .flatMap(({ fields }) => decodeAll(new EntryFields(fields)))
    .map(({ by, data }) => [(data as Thing["data"]).n, by]);

describe("derived events", () => {
  it("makes derived events once, with ids that come from their causes, also where a worker died over them", async () => {
    const derivedStream = defineStream("derived", { events: [thingHappened], partitions: 1 });
    const stream = things();
    const finished = pipeline("deriving")
      .from(stream)
      .flatMap("twice", (event) => [event, event])
      .emit(derivedStream, ({ data }) => thingHappened({ ...data, n: data.n * 10 }));
    const readers = pipeline("derived-reader").from(derivedStream).to(clickhouse(table), thingRow);
    const bench = new Workbench();
    await bench.send(stream.plan, events(4));
    // The first worker's commit never arrives: its successor derives everything once more.
    let dies = false;
    bench.start([finished], {
      bus: interpose(bench.bus, (call, method) => {
        dies ||= method === "commit";
        return dies ? new Promise(() => {}) : call();
      }),
    });
    await bench.clock.until(() => dies);
    const worker = bench.start([finished, readers]);
    expect(await bench.drained(finished)).toMatchObject({ read: 4, delivered: 4, balanced: true });
    expect((await bench.drained(readers)).read).toBe(8);
    await worker.stop();
    const ids = events(4).flatMap(({ id }) => [0, 1].map((k) => uuidOf(`${id}\nderiving\nto\n${k}`)));
    expect(
      bench
        .sink("rows")
        .rows.map((row) => row["event_id"])
        .sort(),
    ).toEqual([...ids].sort());
  });

  it("sets aside a derived event that its stream does not take, and nothing else", async () => {
    const derivedStream = defineStream("derived", { events: [thingHappened], partitions: 1 });
    const stream = things();
    const finished = pipeline("deriving")
      .from(stream)
      .emit(derivedStream, ({ data }) => {
        if (data.n === 1) return thingHappened({ ...data, n: "one" as never });
        if (data.n === 2) return thingHappened(data, { time: new Date(Number.NaN) });
        return thingHappened(data);
      });
    const bench = new Workbench();
    await bench.send(stream.plan, events(4));
    const worker = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({
      read: 4,
      delivered: 2,
      deadLettered: { "row-refused": 2 },
      balanced: true,
    });
    await worker.stop();
  });

  describe("name the producer of what they were made of", () => {
    const copies = defineStream("copies", { events: [thingHappened], partitions: 1 });
    const thing = (n: number, key = "k") => envelopeOf(n, "thing.happened", { key, n, orders: [] }, Date.UTC(2025, 11, 31) + n);
    const copy = ({ data }: Thing) => thingHappened(data);
    /** One frame of one producer. */
    const append = (bench: Workbench, partition: Partition | undefined, producer: string, ...numbers: readonly number[]) =>
      bench.bus.append(partition as Partition, {
        ...{ producer, incarnation: 1, sequence: 0 },
        ...encodeFrame(numbers.map((n) => thing(n))),
      });
    const run = async (bench: Workbench, ...pipelines: Parameters<Workbench["start"]>[0]) => {
      const worker = bench.start(pipelines);
      for (const one of pipelines) await bench.drained(one);
      await bench.clock.advance(minutes(2));
      await worker.stop();
    };

    it("where that came in frames, and in plain entries", async () => {
      const bench = new Workbench();
      const [partition] = partitionsOf(things().plan) as [Partition];
      await append(bench, partition, "a", 1, 2);
      bench.bus.appendPlain(partition, { data: JSON.stringify({ type: "thing.happened", data: { key: "k", n: 3 } }) });
      await append(bench, partition, "b", 4);
      await run(bench, pipeline("copying").from(things()).emit(copies, copy));
      expect(makersIn(bench, copies)).toEqual([
        [1, "a"],
        [2, "a"],
        [3, ""],
        [4, "b"],
      ]);
    });

    it("from a stream that others write", async () => {
      const bench = new Workbench();
      const [partition] = partitionsOf(adoptedThings().plan) as [Partition];
      bench.bus.appendPlain(partition, { data: JSON.stringify({ type: "thing.happened", data: { key: "k", n: 1 } }) });
      await run(bench, pipeline("copying").from(adoptedThings()).emit(copies, copy));
      expect(makersIn(bench, copies)).toEqual([[1, ""]]);
    });

    it("behind a second hop: each producer as each outbox has it, since those are not in step", async () => {
      const bench = new Workbench();
      const far = defineStream("far", { events: [thingHappened], partitions: 1 });
      const partitions = partitionsOf(things(2).plan);
      await append(bench, partitions[0], "a", 1, 2);
      await append(bench, partitions[0], "b", 3);
      await append(bench, partitions[1], "a", 4);
      await run(
        bench,
        pipeline("copying").from(things(2)).emit(copies, copy),
        pipeline("copying-again").from(copies).emit(far, copy),
      );
      const makers = new Map(makersIn(bench, far) as [number, string][]);
      expect(makers.get(1)).toBe(makers.get(2));
      expect(new Set([1, 3, 4].map((n) => makers.get(n))).size).toBe(3);
      for (const name of makers.values()) expect(name).toMatch(/^[0-9a-f]{16}$/);
    });

    it("not where no single event has caused them; a pair is of the one that came last", async () => {
      const bench = new Workbench();
      const [partition] = partitionsOf(things().plan) as [Partition];
      await append(bench, partition, "a", 1);
      await append(bench, partition, "b", 2);
      const [windows, pairs] = ["windows", "pairs"].map((name) =>
        defineStream(name, { events: [thingHappened], partitions: 1 }),
      ) as [Stream<Thing>, Stream<Thing>];
      const keyed = (name: string) =>
        pipeline(name)
          .from(things())
          .keyBy(({ key }) => key);
      await run(
        bench,
        keyed("windowing")
          .window(tumbling({ sizeMs: minutes(1) }))
          .aggregate({ events: count() })
          .emit(windows, ({ key, values }) => thingHappened({ key, n: values.events, orders: [] })),
        keyed("pairing")
          .join("pair", {
            left: ({ data }) => (data.n === 1 ? data.n : undefined),
            right: ({ data }) => (data.n === 2 ? data.n : undefined),
            beforeMs: 10,
            afterMs: 10,
          })
          .emit(pairs, ({ key, left, right }) => thingHappened({ key, n: left.value + right.value, orders: [] })),
      );
      expect(makersIn(bench, windows)).toEqual([[2, undefined]]);
      expect(makersIn(bench, pairs)).toEqual([[3, "b"]]);
    });

    it("in the order of what they were made of, in whatever order a stage has answered", async () => {
      const bench = new Workbench();
      const numbers = Array.from({ length: 40 }, (_, n) => n);
      await bench.send(
        things().plan,
        numbers.map((n) => thing(n, `k${n}`)),
        10,
      );
      const asking = pipeline("asking")
        .from(things())
        .map("ask", async (event) => {
          if (event.data.n % 3 !== 1) await bench.clock.sleep(500 - 10 * event.data.n);
          return event;
        })
        .emit(copies, copy);
      await run(bench, asking);
      expect(makersIn(bench, copies)).toEqual(numbers.map((n) => [n, "test"]));
    });
  });
});
