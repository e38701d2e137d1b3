import { describe, expect, it } from "vitest";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { deliveryLimits } from "../../../src/bus/port.ts";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import type { Sink } from "../../../src/sinks/port.ts";
import { interpose } from "../../support/interpose.ts";
import { type Thing, thingHappened, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const events = (count: number, keys = 3) =>
  Array.from({ length: count }, (_, n) => envelopeOf(n, "thing.happened", { key: `k${n % keys}`, n }));
const first = (stream: ReturnType<typeof things>) => partitionsOf(stream.plan)[0] as Partition;
const table = thingTable("rows");
const copy = (stream = things()) => pipeline("copy").from(stream).to(clickhouse(table), thingRow);

describe("a worker", () => {
  it("shares the partitions of a stream with another one, and both end when they are asked to", async () => {
    const bench = new Workbench();
    const stream = things(8);
    const finished = copy(stream);
    await bench.send(stream.plan, events(400, 50));
    const workers = [bench.start([finished]), bench.start([finished])];
    const audit = await bench.drained(finished);
    expect(audit).toMatchObject({ read: 400, delivered: 400, balanced: true });
    for (const worker of workers) await worker.stop();
    expect(bench.sink("rows").rows).toHaveLength(400);
  });

  it("keeps the order of each key through a stage that answers late", async () => {
    const bench = new Workbench();
    const stream = things();
    const order = new Map<string, number[]>();
    const finished = pipeline("late")
      .from(stream)
      .map("look it up", async (event) => {
        await bench.clock.sleep((event.data.n * 7) % 5);
        return event;
      })
      .flatMap("twice", async (event) => [event, event])
      .to(clickhouse(table), (event: Thing) => {
        order.set(event.data.key, [...(order.get(event.data.key) ?? []), event.data.n]);
        return thingRow(event);
      });
    await bench.send(stream.plan, events(60));
    const worker = bench.start([finished]);
    await bench.drained(finished);
    await worker.stop();
    for (const numbers of order.values()) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect([...order.values()].flat()).toHaveLength(120);
  });

  it("settles what it has read before it ends, and reads no more", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = copy(stream);
    await bench.send(stream.plan, events(30));
    bench.prepare(clickhouse(table).plan).failNext(10);
    let reads = 0;
    const worker = bench.start([finished], {
      bus: interpose(bench.bus, (call, method) => {
        if (method === "read") reads++;
        return call();
      }),
    });
    await bench.clock.until(async () => (await bench.audit(finished)).inFlight === 30);
    expect(bench.sink("rows").rows).toHaveLength(0);
    const before = reads;
    await worker.stop();
    expect(reads).toBeLessThanOrEqual(before + 1);
    expect(await bench.audit(finished)).toMatchObject({ read: 30, delivered: 30, inFlight: 0, balanced: true });
    expect(bench.sink("rows").rows).toHaveLength(30);
    expect((await bench.bus.state(first(stream), "copy")).owner).toBeUndefined();
  });

  it("stops with the error of a sink that is set up wrongly, acks nothing of it, and stops its other pipelines in order", async () => {
    const bench = new Workbench();
    const stream = things();
    const other = defineStream("others", { events: [thingHappened], partitions: 1 });
    const broken = copy(stream);
    const sound = pipeline("sound")
      .from(other)
      .to(clickhouse(thingTable("sound_rows")), thingRow);
    // Two frames: one read.
    await bench.send(stream.plan, events(10), 5);
    await bench.send(other.plan, events(10));
    const error = new ConfigError("clickhouse.schema", "no such table");
    bench.prepare(clickhouse(table).plan).stopWith(error);
    const worker = bench.start([broken, sound]);
    await expect(bench.clock.settle(worker.done)).rejects.toBe(error);
    expect(await bench.audit(broken)).toMatchObject({ read: 10, delivered: 0, inFlight: 10, balanced: true });
    expect((await bench.audit(sound)).balanced).toBe(true);
    expect((await bench.bus.state(first(other), "sound")).owner).toBeUndefined();
  });

  it("commits in the order of its reads where it keeps state, however the sink answers", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = pipeline("copy")
      .from(stream)
      .fold("seen", { key: ({ data }) => data.key, initial: 0, decide: (_, event) => [event], evolve: (n) => n + 1 })
      .to(clickhouse(table), thingRow);
    // Two frames in the first read, 16 in the next one, 3 in the last.
    await bench.send(stream.plan, events(10_500), 500);
    const acked: string[] = [];
    let writes = 0;
    const slowFirst: Sink = {
      inFlightRows: 0,
      // The earliest write answers last.
      write: async () => {
        await bench.clock.sleep(1_000 - 300 * writes++);
        return { rejected: [] };
      },
      close: async () => {},
    };
    const sinkFor = bench.sinkFor.bind(bench);
    bench.sinkFor = (plan) => (plan.kind === "clickhouse" ? slowFirst : sinkFor(plan));
    const worker = bench.start([finished], {
      bus: interpose(bench.bus, async (call, method) => {
        if (method === "commit") acked.push(`${(await bench.bus.state(first(stream), "copy")).pendingEntries}`);
        return call();
      }),
    });
    await bench.drained(finished);
    await worker.stop();
    expect(writes).toBe(3);
    expect(acked).toEqual(["21", "19", "3"]);
  });

  it("stops reading while too many events are under way, and goes on when there is room", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = copy(stream);
    await bench.send(stream.plan, events(40_000), 500);
    bench.prepare(clickhouse(table).plan).failNext(Number.POSITIVE_INFINITY);
    const worker = bench.start([finished], { maxInFlightEvents: 10_000 });
    await bench.clock.advance(500);
    const { read } = await bench.audit(finished);
    expect(read).toBeGreaterThanOrEqual(10_000);
    expect(read).toBeLessThanOrEqual(14_000);
    bench.sink("rows").failNext(0);
    await bench.drained(finished);
    await worker.stop();
    expect(bench.sink("rows").rows).toHaveLength(40_000);
  });

  it("reads what trickles in some at a time while the sink is busy, and at once when it is not", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = copy(stream);
    let reads = 0;
    const bus = interpose(bench.bus, (call, method) => {
      if (method === "read") reads++;
      return call();
    });
    bench.prepare(clickhouse(table).plan).failNext(Number.POSITIVE_INFINITY);
    const worker = bench.start([finished], { bus });
    await bench.clock.advance(1);
    const partition = first(stream);
    const all = events(101);
    const before = reads;
    for (const event of all.slice(0, 100)) {
      await bench.store(partition, [event]);
      await bench.clock.advance(1);
    }
    expect((await bench.audit(finished)).read).toBeGreaterThan(90);
    expect(reads - before).toBeLessThan(50);
    bench.sink("rows").failNext(0);
    await bench.drained(finished);
    const began = bench.clock.monotonic();
    await bench.store(partition, all.slice(100));
    await bench.drained(finished);
    expect(bench.clock.monotonic() - began).toBeLessThan(5);
    await worker.stop();
    expect(bench.sink("rows").rows).toHaveLength(101);
  });

  it("leaves a lost partition at once, also where a sink never answers", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = copy(stream);
    await bench.send(stream.plan, events(10));
    bench.prepare(clickhouse(table).plan).failNext(Number.POSITIVE_INFINITY);
    let isAway = false;
    const worker = bench.start([finished], {
      bus: interpose(bench.bus, (call) => (isAway ? Promise.reject(new RetryableError("service.unreachable", "away")) : call())),
    });
    await bench.clock.until(async () => (await bench.audit(finished)).inFlight === 10);
    isAway = true;
    await bench.clock.advance(10_000);
    worker.ask();
    await bench.clock.settle(worker.done);
    expect((await bench.audit(finished)).inFlight).toBe(10);
  });

  it("tries again what a stage asks to try again, and loses nothing", async () => {
    const bench = new Workbench();
    const stream = things();
    let refusals = 5;
    const finished = pipeline("moody")
      .from(stream)
      .map("ask", async (event) => {
        if (event.data.n === 7 && refusals-- > 0) throw new RetryableError("service.unreachable", "not now");
        return event;
      })
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(20));
    const worker = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({ read: 20, delivered: 20, balanced: true });
    await worker.stop();
    expect(bench.sink("rows").rows).toHaveLength(20);
  });

  it("stops when a stage says that the configuration is wrong", async () => {
    const bench = new Workbench();
    const stream = things();
    const error = new ConfigError("config.environment", "no key for the service");
    const finished = pipeline("wrong")
      .from(stream)
      .filter("ask", () => {
        throw error;
      })
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(3));
    await expect(bench.clock.settle(bench.start([finished]).done)).rejects.toBe(error);
    expect(await bench.audit(finished)).toMatchObject({ read: 3, inFlight: 3, balanced: true });
  });
});

describe("a stage that says that the configuration is wrong", () => {
  const stream = things();
  const wrong = new ConfigError("config.environment", "no key for the service");
  let isWrong = true;
  const ask = (event: Thing) => {
    if (isWrong && event.data.n === 5) throw wrong;
    return event;
  };
  it.each([
    ["no state", pipeline("asking").from(stream).map("ask", ask).to(clickhouse(table), thingRow)],
    [
      "state",
      pipeline("asking")
        .from(stream)
        .fold("seen", { key: ({ data }) => data.key, initial: 0, decide: (_, event) => [ask(event)], evolve: (n) => n + 1 })
        .to(clickhouse(table), thingRow),
    ],
  ])("makes no dead letters however often it stops the pipeline, where it keeps %s", async (_, asking) => {
    const bench = new Workbench();
    isWrong = true;
    await bench.send(stream.plan, events(10), 1);
    for (let ends = 0; ends < 2 * deliveryLimits.last; ends++) {
      await expect(bench.clock.settle(bench.start([asking]).done)).rejects.toBe(wrong);
    }
    expect(await bench.audit(asking)).toMatchObject({ deadLettered: {}, balanced: true });
    isWrong = false;
    const worker = bench.start([asking]);
    expect(await bench.drained(asking)).toMatchObject({ read: 10, delivered: 10, deadLettered: {}, balanced: true });
    await worker.stop();
  });
});
