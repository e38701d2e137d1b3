import { count, defineStream, minutes, pipeline, type Stream, tumbling } from "headrace";
import { describe, expect, it } from "vitest";
import type { Envelope } from "../../../src/bus/envelope.ts";
import { encodeFrame } from "../../../src/bus/frame.ts";
import { partitionIndex, partitionsOf } from "../../../src/bus/partition.ts";
import { uuidOf } from "../../../src/core/hash.ts";
import type { Pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { type Thing, thingHappened, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const sizeMs = minutes(1);
const table = thingTable("windows");
const source = things(3);
const streams = ["one", "two"].map((name) => defineStream(name, { events: [thingHappened], partitions: 2 }));
const [one, two] = streams as [Stream<Thing>, Stream<Thing>];

/** Hands on what it reads, under another key: so a partition gets events of several. */
const handing = (name: string, { from, to }: { readonly from: Stream<Thing>; readonly to: Stream<Thing> }) =>
  pipeline(name)
    .from(from)
    .emit(to, ({ data }) => thingHappened({ ...data, key: `${name}-${data.n % 5}` }));

const counting = (from: Stream<Thing>) =>
  pipeline("counting")
    .from(from)
    .keyBy(({ key }) => key)
    .window(tumbling({ sizeMs }))
    .aggregate({ events: count() })
    .to(clickhouse(table), ({ key, start, values }) => ({
      ...{ event_id: uuidOf(`${key} ${start.getTime()}`), key, n: values.events, at: start },
    }));

/** Sends as a host does whose agent is its own producer: in the order of its time. */
function hostOn(bench: Workbench, producer: string) {
  const sequences = new Map<string, number>();
  const partitions = partitionsOf(source.plan);
  return async (envelopes: readonly Envelope[]) => {
    for (const [index, partition] of partitions.entries()) {
      const mine = envelopes.filter(({ data }) => partitionIndex((data as Thing["data"]).key, partitions.length) === index);
      if (mine.length === 0) continue;
      const sequence = sequences.get(partition.log) ?? 0;
      sequences.set(partition.log, sequence + 1);
      await bench.bus.append(partition, { producer, incarnation: 1, sequence, ...encodeFrame(mine) });
    }
  };
}

/** A host that is live, and one that sends its last three days beside it; what was sent. */
async function sideBySide(bench: Workbench): Promise<readonly Envelope[]> {
  const [live, behind] = [hostOn(bench, "host-a"), hostOn(bench, "host-b")];
  const began = bench.clock.now();
  const steps = 30;
  const sent: Envelope[] = [];
  const event = (time: number) => {
    const n = sent.length;
    const made = envelopeOf(n, "thing.happened", { key: `user-${n % 7}`, n, orders: [] }, time);
    sent.push(made);
    return made;
  };
  const backMs = (step: number) => minutes(3 * 24 * 60) * (1 - step / steps);
  for (let step = 0; step < steps; step++) {
    await live([event(bench.clock.now())]);
    const [from, to] = [began - backMs(step), began - backMs(step + 1)];
    await behind(Array.from({ length: 8 }, (_, i) => event(Math.floor(from + ((to - from) * i) / 8))));
    await bench.clock.advance(2_000);
  }
  return sent;
}

const windowOf = (key: string, time: number) => `${key} ${new Date(time - (time % sizeMs)).toISOString()}`;

function recount(sent: readonly Envelope[], keyOf: (n: number) => string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { time, data } of sent) {
    const name = windowOf(keyOf((data as Thing["data"]).n), time);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

describe("windows behind a derived stream", () => {
  const first = handing("first", { from: source, to: one });
  const second = handing("second", { from: one, to: two });
  const asking = (bench: Workbench) =>
    pipeline("first")
      .from(source)
      .map("ask", async (event) => {
        if (event.data.n % 3 === 0) await bench.clock.sleep(event.data.n % 1_000);
        return event;
      })
      .emit(one, ({ data }) => thingHappened({ ...data, key: `first-${data.n % 5}` }));

  it.each<readonly [string, (bench: Workbench) => readonly Pipeline[], Stream<Thing>, string]>([
    ["of one hop", () => [first], one, "first"],
    ["of one hop whose stages answer in any order", (bench) => [asking(bench)], one, "first"],
    ["of two hops", () => [first, second], two, "second"],
  ])("%s wait for a host that is three days behind the other one", async (_, hops, last, name) => {
    const bench = new Workbench();
    const windows = counting(last);
    const pipelines = [...hops(bench), windows];
    const worker = bench.start(pipelines);
    const sent = await sideBySide(bench);
    await bench.clock.advance(minutes(2));
    for (const one of pipelines) expect(await bench.drained(one)).toMatchObject({ read: sent.length, late: 0, balanced: true });
    const rows = bench.sink("windows").rows as readonly { readonly key: string; readonly n: number; readonly at: Date }[];
    const counted = Object.fromEntries(rows.map(({ key, n, at }) => [windowOf(key, at.getTime()), n]));
    expect(counted).toEqual(recount(sent, (n) => `${name}-${n % 5}`));
    await worker.stop();
  });
});
