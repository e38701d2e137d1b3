import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Envelope } from "../../../src/bus/envelope.ts";
import { frameLimits } from "../../../src/bus/frame.ts";
import { MemoryBus } from "../../../src/bus/memory/bus.ts";
import { type Partition, partitionIndex, partitionsOf } from "../../../src/bus/partition.ts";
import type { Bus } from "../../../src/bus/port.ts";
import { Producer, type ProducerOptions } from "../../../src/bus/producer.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { days } from "../../../src/core/duration.ts";
import { ConfigError, RetryableError, TerminalError } from "../../../src/core/errors.ts";
import { type Logger, silentLogger } from "../../../src/core/log.ts";
import { defineEvent } from "../../../src/dsl/event.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { entriesOf, framesOf } from "../../support/frames-of.ts";
import { interpose } from "../../support/interpose.ts";
import { thingHappened, things } from "../../support/things.ts";
import { envelopeOf } from "../../support/workbench.ts";

const thing = (n: number, key = "k", more: object = {}): Envelope => envelopeOf(n, "thing.happened", { key, n, ...more });
const away = () => new RetryableError("service.unreachable", "away");

function setUp(options: Partial<ProducerOptions> = {}, through: (bus: Bus) => Bus = (bus) => bus, logger: Logger = silentLogger) {
  const clock = new VirtualClock();
  const bus = new MemoryBus(systemClock);
  const stream = options.stream ?? things(1).plan;
  const producer = new Producer(
    { stream, producer: "p", incarnation: 1, lingerMs: 1, ...options },
    { bus: through(bus), clock, logger },
  );
  return { clock, bus, producer, partitions: partitionsOf(stream) };
}

describe("a producer", () => {
  it("keeps the order of each key, and puts each event into the partition of its key", async () => {
    const { bus, producer, partitions } = setUp({ stream: things(4).plan });
    const sent = Array.from({ length: 2_000 }, (_, n) => thing(n, `k${n % 17}`));
    for (const event of sent) await producer.send(event);
    await producer.flush();
    for (const [index, partition] of partitions.entries()) {
      const stored = (await framesOf(bus, partition)).flat();
      expect(stored.map(({ id }) => id)).toEqual(
        sent.filter(({ data }) => partitionIndex((data as { key: string }).key, 4) === index).map(({ id }) => id),
      );
    }
  });

  it("tells where each event is stored, but for the entry where the answer that told it was lost", async () => {
    let isLost = false;
    const { clock, bus, producer, partitions } = setUp({ stream: things(4).plan }, (inner) =>
      interpose(inner, async (call, method) => {
        const answer = await call();
        if (method !== "append" || !isLost) return answer;
        isLost = false;
        throw away();
      }),
    );
    const send = async (numbers: readonly number[]) => {
      const accepted = [];
      for (const n of numbers) accepted.push(await producer.send(thing(n, `k${n % 3}`)));
      await clock.settle(producer.flush());
      return Promise.all(accepted.map(async ({ partition, index, stored }) => ({ partition, index, entry: await stored })));
    };
    const first = await send([0, 1, 2, 3, 4, 5]);
    const second = await send([6, 7]);
    isLost = true;
    const [last] = await send([8]);

    const entries = new Map<string, Awaited<ReturnType<typeof entriesOf>>>();
    for (const partition of partitions) entries.set(partition.name, await entriesOf(bus, partition));
    const found = [...first, ...second].map(
      ({ partition, index, entry }) => entries.get(partition)?.find(({ id }) => id === entry)?.envelopes[index]?.id,
    );
    expect(found).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((n) => thing(n).id));
    expect(entries.get(last?.partition ?? "")?.at(-1)?.envelopes[last?.index ?? -1]?.id).toBe(thing(8).id);
    expect(last?.entry).toBeUndefined();
  });

  it("fills a frame with up to 500 events, and stores the rest when it is flushed", async () => {
    const { bus, producer, partitions } = setUp({ lingerMs: 60_000 });
    for (let n = 0; n < 1_100; n++) await producer.send(thing(n));
    await producer.flush();
    expect((await framesOf(bus, partitions[0] as Partition)).map((frame) => frame.length)).toEqual([500, 500, 100]);
  });

  it("cuts a frame before it grows beyond 256 kB", async () => {
    const bodies: number[] = [];
    const { bus, producer, partitions } = setUp({ lingerMs: 60_000 });
    const append = bus.append.bind(bus);
    bus.append = (partition, frame) => {
      bodies.push(frame.body.length);
      return append(partition, frame);
    };
    // Three bytes a character: its length says little about its size.
    for (let n = 0; n < 40; n++) await producer.send(thing(n, "k", { text: "東".repeat(10_000) }));
    await producer.flush();
    const frames = await framesOf(bus, partitions[0] as Partition);
    expect(frames.flat()).toHaveLength(40);
    expect(frames.map((frame) => frame.length)).toEqual([8, 8, 8, 8, 8]);
    for (const bytes of bodies) expect(bytes).toBeLessThanOrEqual(frameLimits.maxBytes);
  });

  it("stores what has waited long enough, without being asked", async () => {
    const { producer, bus, partitions } = setUp({ lingerMs: 5 });
    const { stored } = await producer.send(thing(1));
    await stored;
    expect((await framesOf(bus, partitions[0] as Partition)).map((frame) => frame.length)).toEqual([1]);
  });

  it("deflates frames where it is told to", async () => {
    const codecs: string[] = [];
    const { producer, bus, partitions } = setUp({ deflate: true });
    const append = bus.append.bind(bus);
    bus.append = (partition, frame) => {
      codecs.push(frame.codec);
      return append(partition, frame);
    };
    await producer.send(thing(1));
    await producer.flush();
    expect(codecs).toEqual(["jz"]);
    expect((await framesOf(bus, partitions[0] as Partition)).flat()).toEqual([thing(1)]);
  });

  it("sends a frame again when the answer was lost or nothing got through, and stores each event once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("stored", "lost", "refused"), { maxLength: 30 }),
        fc.integer({ min: 1, max: 60 }),
        async (fates, count) => {
          const left = [...fates];
          const { clock, bus, producer, partitions } = setUp({ lingerMs: 0 }, (inner) =>
            interpose(inner, async (call, method) => {
              const fate = method === "append" ? left.shift() : "stored";
              if (fate === "refused") throw away();
              const answer = await call();
              if (fate === "lost") throw away();
              return answer;
            }),
          );
          const sendAll = async () => {
            const all: Promise<unknown>[] = [];
            for (let n = 0; n < count; n++) {
              all.push((await producer.send(thing(n))).stored);
              if (n % 7 === 0) void producer.flush().catch(() => {});
            }
            await Promise.all([...all, producer.flush()]);
          };
          await clock.settle(sendAll());
          expect((await framesOf(bus, partitions[0] as Partition)).flat().map(({ id }) => id)).toEqual(
            Array.from({ length: count }, (_, n) => thing(n).id),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it("says once that it tries again", async () => {
    const warnings: string[] = [];
    let failures = 5;
    const { clock, producer } = setUp(
      {},
      (bus) => interpose(bus, (call, method) => (method === "append" && failures-- > 0 ? Promise.reject(away()) : call())),
      { ...silentLogger, warn: (_, message) => void warnings.push(message) },
    );
    const { stored } = await producer.send(thing(1));
    await clock.settle(Promise.all([stored, producer.flush()]));
    expect(warnings).toEqual(["cannot store events, trying again"]);
  });

  it("gives up after the time that it is given", async () => {
    const { clock, producer } = setUp({ giveUpAfterMs: 10_000 }, (bus) => interpose(bus, () => Promise.reject(away())));
    const { stored } = await producer.send(thing(0));
    stored.catch(() => {});
    await expect(clock.settle(producer.flush())).rejects.toThrow("away");
    await expect(stored).rejects.toThrow("away");
    expect(clock.monotonic()).toBeGreaterThan(10_000);
    expect(clock.monotonic()).toBeLessThan(13_000);
  });

  it("refuses with a frame all that was accepted behind it, and tries what is sent later anew", async () => {
    const noRight = new ConfigError("config.environment", "Redis: NOPERM", { hint: "Grant it." });
    let isRefused = true;
    let hold = () => {};
    const held = new Promise<void>((resolve) => {
      hold = resolve;
    });
    const { bus, producer, partitions } = setUp({ lingerMs: 60_000 }, (real) =>
      interpose(real, async (call, method) => {
        if (method !== "append" || !isRefused) return call();
        await held;
        throw noRight;
      }),
    );
    const frames = [];
    for (let n = 0; n < 3; n++) {
      frames.push((await producer.send(thing(n))).stored);
      if (n < 2) void producer.flush().catch(() => {});
    }
    for (const stored of frames) stored.catch(() => {});
    hold();
    for (const stored of frames) await expect(stored).rejects.toBe(noRight);
    isRefused = false;
    const { stored } = await producer.send(thing(3));
    await producer.flush();
    await stored;
    await producer.close();
    expect((await framesOf(bus, partitions[0] as Partition)).flat().map(({ id }) => id)).toEqual([thing(3).id]);
  });

  it("stores what is sent after it has given one up, also where that was stored and its answers were lost", async () => {
    let isLost = true;
    const { clock, bus, producer, partitions } = setUp({ giveUpAfterMs: 1_000 }, (real) =>
      interpose(real, async (call, method) => {
        const answer = await call();
        if (method === "append" && isLost) throw away();
        return answer;
      }),
    );
    const first = await producer.send(thing(0));
    first.stored.catch(() => {});
    await clock.settle(producer.flush().catch(() => {}));
    await expect(first.stored).rejects.toThrow("away");
    isLost = false;
    const second = await producer.send(thing(1));
    await clock.settle(Promise.all([second.stored, producer.flush()]));
    expect((await framesOf(bus, partitions[0] as Partition)).flat().map(({ id }) => id)).toEqual([thing(0).id, thing(1).id]);
  });

  it("lets its caller wait while eight frames are under way", async () => {
    let isOpen = false;
    const waiting: (() => void)[] = [];
    const { producer } = setUp({ lingerMs: 60_000 }, (bus) =>
      interpose(bus, async (call, method) => {
        if (method === "append" && !isOpen) await new Promise<void>((resolve) => waiting.push(resolve));
        return call();
      }),
    );
    let accepted = 0;
    const sending = (async () => {
      for (let n = 0; n < 6_000; n++) {
        await producer.send(thing(n));
        accepted++;
      }
    })();
    await expect.poll(() => accepted).toBe(8 * frameLimits.maxEvents);
    isOpen = true;
    for (const go of waiting) go();
    await sending;
    await producer.flush();
    expect(accepted).toBe(6_000);
  });

  it("begins its numbers anew under a larger incarnation", async () => {
    const bus = new MemoryBus(systemClock);
    const deps = { bus, clock: systemClock, logger: silentLogger };
    for (const incarnation of [1, 2]) {
      const producer = new Producer({ stream: things(1).plan, producer: "p", incarnation, lingerMs: 1 }, deps);
      await producer.send(thing(incarnation));
      await producer.flush();
    }
    expect((await framesOf(bus, partitionsOf(things(1).plan)[0] as Partition)).flat()).toHaveLength(2);
  });

  describe("refuses what can never be stored, and goes on with the rest", () => {
    const throwing = defineEvent("thing.thrown", z.any(), {
      key: (data: { key?: unknown }) => {
        if (data.key === "throw") throw new Error("no key today");
        return data.key as string;
      },
    });
    const stream = defineStream("things", { events: [thingHappened, throwing], partitions: 1 }).plan;
    const cyclic: Record<string, unknown> = { key: "k" };
    cyclic["self"] = cyclic;
    let deep: unknown = 1;
    for (let i = 0; i < 20_000; i++) deep = [deep];
    const nested = "[".repeat(63) + "]".repeat(63);
    const thrown = (data: unknown) => envelopeOf(1, "thing.thrown", data);

    it.each<[string, Envelope, RegExp]>([
      ["a type that the stream does not carry", envelopeOf(1, "thing.unheard_of", {}), /carries no 'thing.unheard_of'/],
      ["data that does not fit", thing(1, 7 as never), /does not fit its schema: key:/],
      ["an event of more than 256 kB", thing(1, "k", { text: "x".repeat(300_000) }), /bytes; 262144 are the limit/],
      ["a time that is none", { ...thing(1), time: Number.NaN }, /no valid time/],
      ["a time that no date can hold", { ...thing(1), time: 1e300 }, /no valid time/],
      ["a bigint", thrown({ key: "k", n: 1n }), /is not JSON/],
      ["data that holds itself", thrown(cyclic), /is not JSON/],
      ["data that nests too deeply to be written", thrown({ key: "k", deep }), /is not JSON/],
      ["data that nests deeper than 64 levels", thrown({ key: "k", deep: JSON.parse(nested) }), /deeper than 64 levels/],
      ["a key function that throws", thrown({ key: "throw" }), /has no key: no key today/],
      ["a key that is no text", thrown({ key: 7 }), /has no key: the key of 'thing.thrown' is not a string/],
    ])("%s", async (_, envelope, said) => {
      const { producer, bus, partitions } = setUp({ stream });
      const refused = producer.send(envelope);
      await expect(refused).rejects.toBeInstanceOf(TerminalError);
      await expect(refused).rejects.toMatchObject({ code: "event.invalid", message: expect.stringMatching(said) });
      await producer.send(thing(2));
      await producer.flush();
      expect((await framesOf(bus, partitions[0] as Partition)).flat()).toEqual([thing(2)]);
    });
  });

  it("begins a new incarnation after a day of silence, so that its numbers never outlive what Redis knows of it", async () => {
    const clock = new VirtualClock();
    const bus = new MemoryBus(clock);
    const producer = new Producer(
      { stream: things(1).plan, producer: "p", incarnation: 1, lingerMs: 1 },
      { bus, clock, logger: silentLogger },
    );
    const [partition] = partitionsOf(things(1).plan) as [Partition];
    await producer.send(thing(0));
    await producer.flush();
    await clock.advance(days(1) - 1);
    await producer.send(thing(1));
    await producer.flush();
    await clock.advance(days(8));
    expect(await bus.forgetProducers(partition, days(7))).toBe(1);
    await producer.send(thing(2));
    await producer.send(thing(3));
    await producer.flush();
    const fields = bus.entriesOf(partition).map((entry) => (entry.fields ?? []).slice(4, 8).map(String));
    expect(fields).toEqual([
      ["inc", "1", "fs", "0"],
      ["inc", "1", "fs", "1"],
      ["inc", String(clock.now()), "fs", "0"],
    ]);
    expect((await framesOf(bus, partition)).flat().map(({ id }) => id)).toEqual([0, 1, 2, 3].map((n) => thing(n).id));
  });
});
