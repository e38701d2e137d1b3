import { describe, expect, it } from "vitest";
import { uuidOf } from "../../../src/core/hash.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { interpose } from "../../support/interpose.ts";
import { thingHappened, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const events = (count: number, keys = 3) =>
  Array.from({ length: count }, (_, n) => envelopeOf(n, "thing.happened", { key: `k${n % keys}`, n }));
const table = thingTable("rows");

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
});
