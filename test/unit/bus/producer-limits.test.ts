import { describe, expect, it } from "vitest";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { type Partition, partitionIndex, partitionsOf } from "../../../src/bus/partition.ts";
import { Producer, type ProducerOptions } from "../../../src/bus/producer.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { idle, VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { framesOf } from "../../support/frames-of.ts";
import { interpose } from "../../support/interpose.ts";
import { things } from "../../support/things.ts";
import { envelopeOf } from "../../support/workbench.ts";

const thing = (n: number, key = "k", text = "") => envelopeOf(n, "thing.happened", { key, n, text });
const tenKilobytes = "x".repeat(10_000);

/** A producer whose Redis answers, is silent, or fails with what the test says. */
function setUp(options: Partial<ProducerOptions> = {}, partitions = 1) {
  const clock = new VirtualClock();
  const bus = new MemoryBus(systemClock);
  const stream = things(partitions).plan;
  const told: [message: string, fields: object][] = [];
  const tell = (fields: object, message: string) => void told.push([message, fields]);
  let failure: (() => Error) | undefined;
  let silence: Promise<void> | undefined;
  const front = interpose(bus, async (call, method) => {
    if (method !== "append") return call();
    await silence;
    if (failure) throw failure();
    return call();
  });
  const producer = new Producer(
    { stream, producer: "p", incarnation: 1, lingerMs: 0, ...options },
    { bus: front, clock, logger: { debug: () => {}, info: tell, warn: tell, error: tell } },
  );
  const stored = async () =>
    (await Promise.all(partitionsOf(stream).map((partition) => framesOf(bus, partition)))).flat(2).map(({ id }) => id);
  return {
    clock,
    producer,
    stored,
    /** How many events each frame of the first partition holds. */
    frames: async () => (await framesOf(bus, partitionsOf(stream)[0] as Partition)).map(({ length }) => length),
    told,
    /** Sends what is there without waiting for the linger, whose timer is not the virtual clock's. */
    go: () => void producer.flush().catch(() => {}),
    fail: (error: (() => Error) | undefined) => {
      failure = error;
    },
    /** Keeps answers back; the function that it gives lets them go. */
    freeze: (): (() => void) => {
      let thaw!: () => void;
      silence = new Promise((resolve) => {
        thaw = () => {
          silence = undefined;
          resolve();
        };
      });
      return thaw;
    },
  };
}

const away = () => new RetryableError("service.unreachable", "away");
const full = () => new RetryableError("bus.full", "Redis: OOM command not allowed", { hint: "Raise maxmemory." });

describe("a producer's memory", () => {
  it("holds no more than maxBufferedBytes over all partitions, and takes the rest when there is room", async () => {
    const { producer, stored, freeze } = setUp({ maxBufferedBytes: 100_000 }, 4);
    const thaw = freeze();
    let accepted = 0;
    const sending = Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        await producer.send(thing(n, `k${n}`, tenKilobytes));
        accepted++;
      }),
    );
    await idle();
    expect(accepted).toBe(9);
    thaw();
    await sending;
    await producer.flush();
    expect(new Set(await stored()).size).toBe(60);
    expect(await stored()).toHaveLength(60);
  });

  it("takes one event that is larger than all of it, when nothing else is held", async () => {
    const { producer, stored } = setUp({ maxBufferedBytes: 1_000 });
    for (let n = 0; n < 3; n++) await producer.send(thing(n, "k", tenKilobytes));
    await producer.flush();
    expect(await stored()).toHaveLength(3);
  });

  it("does not wait for the linger of another partition's frame when it needs its bytes", async () => {
    const { producer, stored } = setUp({ maxBufferedBytes: 50_000, lingerMs: 600_000 }, 4);
    for (let n = 0; n < 40; n++) await producer.send(thing(n, `k${n}`, tenKilobytes));
    await producer.close();
    expect(await stored()).toHaveLength(40);
  });

  it("keeps the order of a key for callers who do not wait, also over a full buffer", async () => {
    const { producer, stored, freeze } = setUp({ maxBufferedBytes: 30_000 });
    const thaw = freeze();
    const sending = Array.from({ length: 50 }, (_, n) => producer.send(thing(n, "k", n % 3 ? "" : tenKilobytes)));
    await idle();
    thaw();
    // It comes while others wait, and finds room: they go first all the same.
    sending.push(sending[5]?.then(() => producer.send(thing(50))) as (typeof sending)[0]);
    await Promise.all(sending);
    await producer.flush();
    expect(await stored()).toEqual(Array.from({ length: 51 }, (_, n) => thing(n).id));
  });

  it("flushes what waits for room too", async () => {
    const { producer, stored } = setUp({ maxBufferedBytes: 30_000, lingerMs: 600_000 });
    for (let n = 0; n < 20; n++) void producer.send(thing(n, "k", tenKilobytes));
    await producer.flush();
    expect(await stored()).toHaveLength(20);
  });
});

describe("a producer with maxWaitMs", () => {
  it("refuses an event that found no room in time, says when to come again, and stores what it accepted", async () => {
    const { producer, stored, freeze, clock } = setUp({ maxBufferedBytes: 30_000, maxWaitMs: 20 });
    const thaw = freeze();
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, (_, n) => producer.send(thing(n, "k", tenKilobytes))));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected", "rejected"]);
    await expect(producer.send(thing(9, "k", tenKilobytes))).rejects.toMatchObject({
      name: "RetryableError",
      code: "producer.overloaded",
      retryAfterMs: 1_000,
      message: expect.stringContaining("waited for 20 ms"),
    });
    thaw();
    await clock.settle(producer.flush());
    await producer.send(thing(10));
    await producer.flush();
    expect(await stored()).toEqual([0, 1, 10].map((n) => thing(n).id));
  });

  it("lets no more wait than it may hold: the rest is refused at once", async () => {
    const { producer, freeze } = setUp({ maxBufferedBytes: 30_000, maxWaitMs: 60_000 });
    freeze();
    const refused: unknown[] = [];
    for (let n = 0; n < 100; n++) producer.send(thing(n, "k", tenKilobytes)).catch((error) => refused.push(error));
    await idle();
    // Two are held, and two wait.
    expect(refused).toHaveLength(96);
    for (const error of refused) expect(error).toMatchObject({ code: "producer.overloaded", retryAfterMs: 1_000 });
  });

  it("refuses at once while Redis fails, is probed by what it holds, and accepts again when that is stored", async () => {
    const { producer, stored, fail, clock, go } = setUp({ maxWaitMs: 60_000, breaker: { failures: 3, openMs: 5_000 } });
    fail(away);
    const accepted: string[] = [];
    const offer = async () => {
      const event = thing(accepted.length);
      const refusal = await producer.send(event).then(
        () => void accepted.push(event.id),
        (error) => error,
      );
      go();
      return refusal;
    };
    let refusal: unknown;
    await clock.until(async () => {
      refusal = await offer();
      return refusal !== undefined;
    });
    expect(refusal).toBeInstanceOf(RetryableError);
    expect(refusal).toMatchObject({ code: "service.unreachable", hint: expect.stringContaining("retryAfterMs") });
    const { retryAfterMs = 0 } = refusal as RetryableError;
    expect(retryAfterMs).toBeGreaterThan(4_000);
    expect(retryAfterMs).toBeLessThanOrEqual(5_000);
    fail(undefined);
    expect(await offer()).toMatchObject({ code: "service.unreachable" });
    await clock.settle(producer.flush());
    expect(await stored()).toEqual(accepted);
    expect(await offer()).toBeUndefined();
    await clock.settle(producer.flush());
    expect(await stored()).toEqual(accepted);
  });

  it("refuses while an answer is late", async () => {
    const { producer, stored, freeze, clock } = setUp({ maxWaitMs: 60_000, breaker: { slowMs: 1_000, openMs: 500 } });
    const thaw = freeze();
    await producer.send(thing(0));
    void producer.flush();
    await clock.advance(999);
    await producer.send(thing(1));
    await clock.advance(1);
    await expect(producer.send(thing(2))).rejects.toMatchObject({ code: "service.unreachable", retryAfterMs: 500 });
    await clock.advance(3_600_000);
    await expect(producer.send(thing(2))).rejects.toMatchObject({ code: "service.unreachable", retryAfterMs: 500 });
    thaw();
    await clock.settle(producer.flush());
    await producer.send(thing(2));
    await clock.settle(producer.flush());
    expect(await stored()).toEqual([0, 1, 2].map((n) => thing(n).id));
  });
});

describe("a producer", () => {
  it("goes on filling a frame past its linger while the one before it is under way", async () => {
    const { producer, frames, freeze, go } = setUp({ lingerMs: 1 });
    const thaw = freeze();
    await producer.send(thing(0));
    go();
    const all: Promise<unknown>[] = [];
    for (let n = 1; n <= 30; n++) {
      all.push((await producer.send(thing(n))).stored);
      await new Promise((resolve) => setImmediate(resolve));
    }
    thaw();
    await Promise.all(all);
    expect(await frames()).toEqual([1, 30]);
  });

  it("never refuses without maxWaitMs, however long Redis is away", async () => {
    const { producer, stored, fail, clock, go } = setUp();
    fail(away);
    const accepted = [await producer.send(thing(0))];
    go();
    await clock.advance(3_600_000);
    accepted.push(await producer.send(thing(1)));
    go();
    fail(undefined);
    await clock.settle(Promise.all(accepted.map((one) => one.stored)));
    expect(await stored()).toEqual([thing(0).id, thing(1).id]);
  });

  it("waits out a Redis that is full, and tells of it once, with the way out, and once when it is over", async () => {
    const { producer, stored, fail, clock, told, go } = setUp({}, 4);
    fail(full);
    const all = await Promise.all(Array.from({ length: 40 }, (_, n) => producer.send(thing(n, `k${n}`))));
    go();
    await clock.advance(60_000);
    expect(told).toEqual([
      [
        "cannot store events, trying again",
        expect.objectContaining({ error: expect.stringContaining("OOM"), hint: "Raise maxmemory." }),
      ],
    ]);
    fail(undefined);
    await clock.settle(Promise.all(all.map((one) => one.stored)));
    expect(await stored()).toHaveLength(40);
    expect(told.slice(1)).toEqual([
      ["events are stored again", { lastedMs: expect.any(Number), failures: { "bus.full": expect.any(Number) } }],
    ]);
  });

  it("tells every caller of an error that waiting does not mend, and goes on once a person has mended it", async () => {
    const { producer, fail, told, stored } = setUp();
    fail(() => new ConfigError("config.environment", "Redis: WRONGTYPE"));
    for (let n = 0; n < 2; n++) await expect((await producer.send(thing(n))).stored).rejects.toThrow("WRONGTYPE");
    await expect(producer.flush()).rejects.toThrow("WRONGTYPE");
    fail(undefined);
    await (await producer.send(thing(2))).stored;
    await producer.close();
    expect(await stored()).toHaveLength(1);
    expect(told).toEqual([]);
  });

  it("stores everything when it is closed, may be closed twice, and takes nothing more", async () => {
    const { producer, stored } = setUp({ lingerMs: 600_000 });
    for (let n = 0; n < 3; n++) await producer.send(thing(n));
    await Promise.all([producer.close(), producer.close()]);
    await producer.close();
    expect(await stored()).toHaveLength(3);
    const late = producer.send(thing(3));
    await expect(late).rejects.toBeInstanceOf(ConfigError);
    await expect(late).rejects.toMatchObject({ code: "producer.closed", message: "the producer of 'things' is closed" });
  });

  it("does not let one who changes an event after sending it harm the others", async () => {
    const { producer, stored } = setUp({ lingerMs: 600_000 }, 2);
    const event = thing(0);
    const sent = await producer.send(event);
    Object.assign(event.data as object, { n: 1n });
    const other = ["a", "b", "c", "d"].find((key) => partitionIndex(key, 2) !== partitionIndex("k", 2)) as string;
    await producer.send(thing(1, other));
    await producer.flush();
    await expect(sent.stored).rejects.toMatchObject({ code: "event.invalid" });
    await producer.send(thing(2));
    await producer.flush();
    expect((await stored()).sort()).toEqual([thing(1).id, thing(2).id].sort());
  });
});
