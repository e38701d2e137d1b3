import { describe, expect, it } from "vitest";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Entry } from "../../../src/bus/port.ts";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { uuidOf } from "../../../src/core/hash.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import type { Sink } from "../../../src/sinks/port.ts";
import { interpose } from "../../support/interpose.ts";
import { bodyOf, frameOf, poisonEvents, poisonFrames } from "../../support/poison.ts";
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
    // Two frames in the first read, 16 in each that follows.
    await bench.send(stream.plan, events(10_000), 500);
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
    expect(acked).toEqual(["20", "18", "2"]);
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

  describe("met with something poisonous", () => {
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

    it("gives an entry up without a look at it, since the look may be what ends its readers", async () => {
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
