import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../../src/bus/frame.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Entry } from "../../../src/bus/port.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { InFlight } from "../../../src/engine/commit/in-flight.ts";
import { interpose } from "../../support/interpose.ts";
import { thingHappened, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");
const MiB = 1024 * 1024;
const padding = "x".repeat(64 * 1024 - 300);
const large = (n: number) => envelopeOf(n, "thing.happened", { key: `k${n % 3}`, n, orders: [padding] });
const frames = things();
const entries = defineStream("adopted", { events: [thingHappened], adopt: "app:things" });
const only = (stream: typeof frames) => partitionsOf(stream.plan)[0] as Partition;
const plain = (n: number, orders: readonly string[] = []) => ({
  data: JSON.stringify({ type: "thing.happened", data: { key: "k", n, orders } }),
});

type Store = (bench: Workbench) => Promise<void>;
const events = 240;

const inFrames: Store = (bench) =>
  bench.send(
    frames.plan,
    Array.from({ length: events }, (_, n) => large(n)),
    3,
  );
const byThemselves: Store = async (bench) => {
  for (let n = 0; n < events; n++) bench.bus.appendPlain(only(entries), plain(n, [padding]));
};
const deflated: Store = async (bench) => {
  for (let n = 0; n < events; n += 4) {
    const frame = encodeFrame(
      [0, 1, 2, 3].map((k) => large(n + k)),
      "jz",
    );
    expect(frame.body.length).toBeLessThan(4_000);
    await bench.bus.append(only(frames), { producer: "p", incarnation: 1, sequence: n / 4, ...frame });
  }
};

describe("what is in flight", () => {
  it.each([
    ["frames", frames, inFrames],
    ["deflated frames", frames, deflated],
    ["entries of an adopted stream", entries, byThemselves],
  ] as const)("is bounded in bytes while a sink confirms nothing: %s of 64 kB events", async (_, stream, store) => {
    const bench = new Workbench();
    const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);
    await store(bench);
    bench.prepare(clickhouse(table).plan).failNext(Number.POSITIVE_INFINITY);
    const worker = bench.start([copy], { maxInFlightBytes: 4 * MiB });
    await bench.clock.advance(60_000);
    const { read } = await bench.audit(copy);
    const bytes = read * 64 * 1024;
    expect(bytes).toBeGreaterThan(3.5 * MiB);
    // The last read may go beyond the limit, and the one that was begun ahead of it.
    expect(bytes).toBeLessThan(12.5 * MiB);
    bench.sink("rows").failNext(0);
    expect(await bench.drained(copy)).toMatchObject({ read: events, delivered: events, balanced: true });
    await worker.stop();
  });

  it("counts for more events than there are where these are large, or reads are small", () => {
    const inFlight = new InFlight({ events: 1_000, bytes: 1_000 * 1024 });
    const weigh = (size: number, bytes: number) => inFlight.weigh({ size, bytes });
    expect(weigh(500, 100 * 1024)).toBe(500);
    expect(weigh(500, 992 * 1024)).toBe(1_000);
    expect(weigh(1, 256 * 1024)).toBe(264);
    expect(weigh(1, 0)).toBe(8);
  });
});

describe("a read", () => {
  it("brings as many entries as fit its bytes, and finds that out little by little", async () => {
    const bench = new Workbench();
    const copy = pipeline("copy").from(entries).to(clickhouse(table), thingRow);
    for (let n = 0; n < 200; n++) bench.bus.appendPlain(only(entries), plain(n, [padding]));
    for (let n = 200; n < 4_000; n++) bench.bus.appendPlain(only(entries), plain(n));
    const sizes: number[] = [];
    const worker = bench.start([copy], {
      bus: interpose(bench.bus, async (call, method) => {
        const answer = (await call()) as { readonly entries?: readonly Entry[] };
        if (method === "read" && answer.entries?.length) sizes.push(answer.entries.length);
        return answer;
      }),
    });
    await bench.drained(copy);
    await worker.stop();
    expect(sizes.slice(0, 3)).toEqual([16, 64, 64]);
    expect(Math.max(...sizes)).toBe(1_000);
    for (const [i, size] of sizes.slice(1).entries()) expect(size).toBeLessThanOrEqual(8 * (sizes[i] as number));
  });

  it("waits longer for more events, the more batches wait for a sink that does not answer", async () => {
    const bench = new Workbench();
    const copy = pipeline("copy").from(frames).to(clickhouse(table), thingRow);
    bench.prepare(clickhouse(table).plan).failNext(Number.POSITIVE_INFINITY);
    let reads = 0;
    const worker = bench.start([copy], {
      bus: interpose(bench.bus, async (call, method) => {
        const answer = (await call()) as { readonly entries?: readonly Entry[] };
        if (method === "read" && answer.entries?.length) reads++;
        return answer;
      }),
    });
    for (let n = 0; n < 1_000; n++) {
      await bench.store(only(frames), [envelopeOf(n, "thing.happened", { key: "k", n })]);
      await bench.clock.advance(5);
    }
    expect((await bench.audit(copy)).read).toBeGreaterThan(900);
    // One for each event would be 1,000.
    expect(reads).toBeLessThan(120);
    bench.sink("rows").failNext(0);
    expect(await bench.drained(copy)).toMatchObject({ delivered: 1_000, balanced: true });
    await worker.stop();
  });
});
