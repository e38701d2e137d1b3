import { describe, expect, it } from "vitest";
import { type Partition, partitionsOf, replayOf } from "../../../src/bus/partition.ts";
import { deliveryLimits, type Entry, type ReadResult } from "../../../src/bus/port.ts";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { decodeAll } from "../../support/decode-all.ts";
import { interpose, refuseCalls } from "../../support/interpose.ts";
import { logBook } from "../../support/log-book.ts";
import { thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");
const stream = things();
const [partition] = partitionsOf(stream.plan) as [Partition];
const thing = (n: number, key = `k${n % 3}`) => envelopeOf(n, "thing.happened", { key, n, orders: [] });
const plain = (n: number) => ({ data: JSON.stringify({ ...thing(n), time: new Date(thing(n).time).toISOString() }) });
const things10 = Array.from({ length: 10 }, (_, n) => thing(n));
const numbers = (bench: Workbench) => bench.sink("rows").rows.map((row) => row["n"]);

describe("an event that has to be tried again", () => {
  it("holds up its key alone: other keys land, and the events behind it keep their order", async () => {
    const bench = new Workbench();
    let isAway = true;
    const moody = pipeline("moody")
      .from(stream)
      .map("ask", (event) => {
        if (event.data.n === 0 && isAway) throw new RetryableError("service.unreachable", "not now");
        return event;
      })
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, things10, 1);
    const worker = bench.start([moody]);
    await bench.clock.until(() => numbers(bench).length === 6);
    expect(numbers(bench)).toEqual([1, 2, 4, 5, 7, 8]);
    await bench.clock.advance(20_000);
    expect(await bench.audit(moody)).toMatchObject({ read: 10, balanced: true });
    isAway = false;
    expect(await bench.drained(moody)).toMatchObject({ read: 10, delivered: 10, balanced: true });
    await worker.stop();
    expect(numbers(bench).slice(6)).toEqual([0, 3, 6, 9]);
  });

  it("leaves no trace of its failed tries", async () => {
    const bench = new Workbench();
    let failures = 3;
    const moody = pipeline("moody")
      .from(stream)
      .flatMap("twice", (event) => [event, { ...event, data: { ...event.data, n: event.data.n + 100 } }])
      .map("ask", (event) => {
        if (event.data.n === 104 && failures-- > 0) throw new RetryableError("service.unreachable", "not now");
        return event;
      })
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, things10, 10);
    const worker = bench.start([moody]);
    expect(await bench.drained(moody)).toMatchObject({ read: 10, delivered: 10, balanced: true });
    await worker.stop();
    expect(numbers(bench)).toHaveLength(20);
  });

  it("is left to the next owner when the pipeline stops meanwhile", async () => {
    const bench = new Workbench();
    let isAway = true;
    const moody = pipeline("moody")
      .from(stream)
      .map("ask", async (event) => {
        if (event.data.n === 5 && isAway) throw new RetryableError("service.unreachable", "not now");
        return event;
      })
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, things10, 1);
    const worker = bench.start([moody]);
    await bench.clock.until(async () => {
      const { read, inFlight } = await bench.audit(moody);
      return read === 10 && inFlight === 8;
    });
    await worker.stop();
    expect(await bench.audit(moody)).toMatchObject({ read: 10, delivered: 2, inFlight: 8, balanced: true });
    isAway = false;
    const next = bench.start([moody]);
    expect(await bench.drained(moody)).toMatchObject({ read: 10, delivered: 10, balanced: true });
    await next.stop();
    expect([...numbers(bench)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe("a read", () => {
  it.each([
    { perFrame: 500, most: 2 },
    { perFrame: 50, most: 20 },
    { perFrame: 1, most: 64 },
  ])("of frames that hold $perFrame events takes up to $most of them", async ({ perFrame, most }) => {
    const bench = new Workbench();
    const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);
    const sent = Array.from({ length: Math.max(200, 40 * perFrame) }, (_, n) => thing(n));
    await bench.send(stream.plan, sent, perFrame);
    const sizes: number[] = [];
    const worker = bench.start([copy], {
      bus: interpose(bench.bus, async (call, method) => {
        const answer = await call();
        if (method === "read") sizes.push((answer as { readonly entries: readonly unknown[] }).entries.length);
        return answer;
      }),
    });
    expect(await bench.drained(copy)).toMatchObject({ delivered: sent.length, balanced: true });
    await worker.stop();
    expect(Math.max(...sizes)).toBe(most);
  });
});

describe("a stop", () => {
  it.each([1, 2, 3, 4])("that comes while read %i of something new is under way leaves nothing of it unsettled", async (nth) => {
    const bench = new Workbench();
    const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);
    const sent = Array.from({ length: 300 }, (_, n) => thing(n));
    await bench.send(stream.plan, sent, 1);
    let asks = () => {};
    let known = 0;
    let reads = 0;
    const worker = bench.start([copy], {
      bus: interpose(bench.bus, async (call, method) => {
        const answer = await call();
        if (method !== "read") return answer;
        // The answer to a read of something new is on its way when the stop is asked for.
        const { read } = await bench.audit(copy);
        if (read > known && ++reads === nth) asks();
        known = read;
        return answer;
      }),
    });
    asks = () => worker.ask();
    await bench.clock.settle(worker.done);
    const { read, delivered, inFlight } = await bench.audit(copy);
    expect(read).toBeGreaterThan(0);
    expect({ delivered, inFlight }).toEqual({ delivered: read, inFlight: 0 });
  });
});

describe("workers that stop without a crash", () => {
  it.each([
    ["their sinks did not answer in time", new RetryableError("service.unreachable", "ClickHouse is away")],
    ["their table is wrong", new ConfigError("clickhouse.schema", "there is no column n")],
  ])("since %s, make no dead letters, however many", async (_, failure) => {
    const bench = new Workbench();
    const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);
    const rows = bench.prepare(clickhouse(table).plan);
    await bench.send(stream.plan, things10, 1);
    rows.stopWith(failure);
    for (let ends = 0; ends < 2 * deliveryLimits.last; ends++) {
      await expect(bench.clock.settle(bench.start([copy]).done)).rejects.toBe(failure);
    }
    expect(await bench.audit(copy)).toMatchObject({ delivered: 0, deadLettered: {} });
    rows.stopWith(undefined);
    const worker = bench.start([copy]);
    expect(await bench.drained(copy)).toMatchObject({ read: 10, delivered: 10, deadLettered: {}, balanced: true });
    await worker.stop();
  });

  it("since they were stopped while keyed state could not be had, make no dead letters", async () => {
    const bench = new Workbench();
    const counting = pipeline("counting")
      .from(stream)
      .fold("seen", { key: ({ data }) => data.key, initial: 0, decide: (_, event) => [event], evolve: (n) => n + 1 })
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, things10, 1);
    for (let stops = 0; stops < 2 * deliveryLimits.last; stops++) {
      const worker = bench.start([counting], { bus: refuseCalls(bench.bus, (method) => method === "states") });
      await bench.clock.advance(1_000);
      await worker.stop();
    }
    expect(await bench.audit(counting)).toMatchObject({ delivered: 0, deadLettered: {} });
    const worker = bench.start([counting]);
    expect(await bench.drained(counting)).toMatchObject({ read: 10, delivered: 10, deadLettered: {}, balanced: true });
    await worker.stop();
  });

  it("since they were stopped while an event was waiting for its next try, make no dead letter of it", async () => {
    const bench = new Workbench();
    let isAway = true;
    const moody = pipeline("moody")
      .from(stream)
      .map("ask", (event) => {
        if (event.data.n === 5 && isAway) throw new RetryableError("service.unreachable", "not now");
        return event;
      })
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, things10, 1);
    for (let stops = 0; stops < 2 * deliveryLimits.last; stops++) {
      const worker = bench.start([moody]);
      await bench.clock.advance(1_000);
      await worker.stop();
    }
    isAway = false;
    const worker = bench.start([moody]);
    expect(await bench.drained(moody)).toMatchObject({ read: 10, delivered: 10, deadLettered: {}, balanced: true });
    await worker.stop();
  });
});

describe("an entry that crashes its readers", () => {
  /** A process that ends when it comes upon `n`: it never asks for anything again. */
  async function lifeUntil(bench: Workbench, n: number) {
    let isDead = false;
    let read = 0;
    const deadly = pipeline("deadly")
      .from(stream)
      .map("blow up", (event) => {
        if (event.data.n !== n) return event;
        isDead = true;
        return new Promise<never>(() => {});
      })
      .to(clickhouse(table), thingRow);
    bench.start([deadly], {
      bus: interpose(bench.bus, async (call, method) => {
        if (isDead) return new Promise(() => {});
        const answer = await call();
        if (method === "read") read++;
        return isDead ? new Promise(() => {}) : answer;
      }),
    });
    await bench.clock.until(async () => isDead || (await bench.isDrained(deadly)));
    return { deadly, isDead, read };
  }

  it("is set aside after six tries, and everything else lands", async () => {
    const bench = new Workbench();
    await bench.send(stream.plan, things10, 1);
    let deaths = 0;
    for (;;) {
      const { deadly, isDead } = await lifeUntil(bench, 4);
      if (isDead) deaths++;
      else {
        expect(await bench.audit(deadly)).toMatchObject({
          read: 10,
          delivered: 9,
          deadLettered: { "gave-up": 1 },
          inFlight: 0,
          balanced: true,
        });
        const [letter] = await bench.deadLetters(deadly.plan);
        expect(letter).toMatchObject({ stage: "delivery", reason: "gave-up" });
        const kept = new Map(letter?.fields);
        expect(decodeAll(kept)).toMatchObject([{ id: thing(4).id }]);
        break;
      }
      expect(deaths).toBeLessThanOrEqual(deliveryLimits.last);
    }
    expect(deaths).toBe(deliveryLimits.last);
    expect(new Set(numbers(bench))).toEqual(new Set([0, 1, 2, 3, 5, 6, 7, 8, 9]));
  });
});

describe("a suspect", () => {
  it("that comes with word of entries that a former owner took is forgotten with them, and read again from the first on", async () => {
    const bench = new Workbench();
    const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);
    await bench.send(stream.plan, things10, 1);
    // Owners that read everything, and were never heard of again.
    const taken = await bench.bus.acquire(partition, "copy", { owner: "gone", ttlMs: 1_000 });
    if (taken.kind !== "owned") return expect.fail(taken.kind);
    const fence = { partition, pipeline: "copy", owner: "gone", epoch: taken.epoch, tenure: taken.tenure };
    await bench.bus.read(fence, { from: "new", after: "0-0", count: 10 });
    for (let n = 2; n < deliveryLimits.suspect; n++)
      await bench.bus.read(fence, { from: "pending", after: "0-0", count: 10, suspects: 10 });
    await bench.bus.release(fence);

    const { logger, lines } = logBook();
    let told = 0;
    const worker = bench.start([copy], {
      logger,
      bus: interpose(bench.bus, async (call, method) => {
        const answer = await call();
        if (method !== "read") return answer;
        const { kind, entries = [] } = answer as Partial<ReadResult & { readonly entries: readonly Entry[] }>;
        const areSuspects = kind === "entries" && entries.some(({ deliveries }) => deliveries >= deliveryLimits.suspect);
        return areSuspects && told++ === 0 ? { ...(answer as ReadResult), stolen: true } : answer;
      }),
    });
    expect(await bench.drained(copy)).toMatchObject({ read: 10, delivered: 10, deadLettered: {}, balanced: true });
    await worker.stop();
    expect(lines.filter((line) => line.includes("a former owner has read"))).toHaveLength(1);
    expect(numbers(bench)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe("an entry in one partition that crashes the process", () => {
  it("makes no dead letter of other partitions' frames, however often the process crashes", async () => {
    const bench = new Workbench();
    const wide = things(4);
    // Rows take a while to be confirmed: the others are under way whenever the process ends.
    const sent = Array.from({ length: 40 }, (_, n) => thing(n, `k${n % 20}`));
    await bench.send(wide.plan, sent, 1);
    let deaths = 0;
    for (let isDone = false; !isDone; ) {
      let isDead = false;
      const deadly = pipeline("deadly")
        .from(wide)
        .map("blow up", (event) => {
          if (event.data.n !== 7) return event;
          isDead = true;
          return new Promise<never>(() => {});
        })
        .to(clickhouse(table), thingRow);
      const worker = bench.start([deadly], {
        leaseTtlMs: 1_000,
        bus: interpose(bench.bus, async (call) => {
          if (isDead) return new Promise(() => {});
          const answer = await call();
          return isDead ? new Promise(() => {}) : answer;
        }),
      });
      await bench.clock.until(async () => isDead || (await bench.isDrained(deadly)));
      isDone = !isDead;
      if (isDead) deaths++;
      else {
        await worker.stop();
        expect(await bench.audit(deadly)).toMatchObject({
          read: 40,
          delivered: 39,
          deadLettered: { "gave-up": 1 },
          balanced: true,
        });
      }
      expect(deaths).toBeLessThanOrEqual(deliveryLimits.last);
    }
    expect(deaths).toBe(deliveryLimits.last);
  });
});

describe("the log of what is replayed", () => {
  const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);

  it("is read beside the main one, through the same stages and into the same ledger", async () => {
    const bench = new Workbench();
    const replay = replayOf(partition, "copy");
    const worker = bench.start([copy]);
    await bench.send(stream.plan, things10, 1);
    await bench.drained(copy);
    for (const n of [100, 101]) bench.bus.appendPlain(replay, plain(n));
    await bench.send(stream.plan, [thing(200)], 1);
    bench.bus.appendPlain(replay, { data: "not json" });
    const audit = await bench.drained(copy);
    await worker.stop();
    expect(audit).toMatchObject({ read: 14, delivered: 13, deadLettered: { "not-json": 1 }, balanced: true });
    expect([...numbers(bench)].sort((a, b) => Number(a) - Number(b))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 101, 200]);
    expect(bench.bus.entriesOf(replay)).toEqual([]);
  });

  it("is found while the main one never rests, also when it was empty at first", async () => {
    const bench = new Workbench();
    await bench.send(
      stream.plan,
      Array.from({ length: 1_000 }, (_, n) => thing(n)),
      1,
    );
    const worker = bench.start([copy], {
      bus: interpose(bench.bus, async (call, method) => {
        if (method === "read") await bench.clock.sleep(500);
        return call();
      }),
    });
    await bench.clock.until(() => numbers(bench).length > 10);
    bench.bus.appendPlain(replayOf(partition, "copy"), plain(5_000));
    await bench.drained(copy);
    await worker.stop();
    expect(numbers(bench).indexOf(5_000)).toBeLessThan(500);
  });

  it("takes its turns while the main one never rests", async () => {
    const bench = new Workbench();
    await bench.send(
      stream.plan,
      Array.from({ length: 400 }, (_, n) => thing(n)),
      1,
    );
    bench.bus.appendPlain(replayOf(partition, "copy"), plain(1_000));
    const worker = bench.start([copy]);
    await bench.drained(copy);
    await worker.stop();
    expect(numbers(bench).indexOf(1_000)).toBeLessThan(100);
  });
});
