import { describe, expect, it } from "vitest";
import { encodeFrame } from "../../../src/bus/frame.ts";
import { partitionIndex, partitionsOf } from "../../../src/bus/partition.ts";
import type { Bus } from "../../../src/bus/port.ts";
import { ProducerBreaker } from "../../../src/bus/producer-breaker.ts";
import { Sender } from "../../../src/bus/sender.ts";
import { uuidOf } from "../../../src/core/hash.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { Outage } from "../../../src/core/outage.ts";
import type { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { copies, copying, numbers, pipelines } from "../../chaos/going-back/pipelines/index.ts";
import { eventsIn, numberOf, recount } from "../../chaos/going-back/recount.ts";
import { createRandom } from "../../demo/random.ts";
import { casesOf, seed } from "../../support/long-form.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const seeds = Array.from({ length: casesOf({ few: 4, many: 300 }) }, (_, i) => (Number(seed) + i) % 2 ** 32);

/** How many derived events are gone is kept beside their outbox, and is forgotten where that goes back again. */
const forgettable = /^copying: [1-9]\d* are told as vanished/;

/** The bus of workers, which can go back at the n-th step that they take from now on. */
function goingBackSoon(bus: Bus, clock: VirtualClock) {
  const steps = new Set<string>(["commit", "outbox", "newest", "strays", "rememberStrays", "relay", "relayed"]);
  let left = 0;
  let goBack = () => {};
  return {
    bus: new Proxy(bus, {
      get(target, property: keyof Bus) {
        const method = (target[property] as (...args: readonly unknown[]) => unknown).bind(target);
        if (!steps.has(property)) return method;
        return (...args: readonly unknown[]) => {
          if (left > 0 && --left === 0) {
            goBack();
            // It takes a while, so that tenures before and after it are of different times.
            clock.setWall(2);
          }
          return method(...args);
        };
      },
    }),
    goBack: (putBack: () => void, step: number) => {
      [left, goBack] = [step, putBack];
    },
  };
}

describe("a bus that goes back to an earlier state under live workers", () => {
  it.each(seeds)("counts what is in the log now once, and says what is gone (seed %i)", { timeout: 120_000 }, async (seed) => {
    const random = createRandom(seed);
    const bench = new Workbench();
    const { bus, clock } = bench;
    const said: string[] = [];
    const logger = {
      ...silentLogger,
      error: (fields: object, text: string) => void said.push(`${text} ${JSON.stringify(fields)}`),
    };
    const soon = goingBackSoon(bus, clock);
    const workers = [1, 2].map(() => bench.start(pipelines as never, { logger, leaseTtlMs: 10_000, bus: soon.bus }));
    const partitions = partitionsOf(numbers.plan);
    const deps = {
      bus,
      clock,
      logger,
      breaker: new ProducerBreaker({}, clock),
      outage: new Outage({ began: "away", over: "back" }, { clock, logger }),
    };
    const options = { producer: "p", incarnation: clock.now(), durability: { kind: "memory" }, giveUpAfterMs: 60_000 } as const;
    const senders = partitions.map((partition) => new Sender(partition, options, deps));
    const acknowledged = new Map<number, number>();
    let next = 0;

    const send = async (count: number) => {
      const all = Array.from({ length: count }, () => (random.chance(0.1) && next > 5 ? next - random.int(1, 5) : next++));
      for (const [index, sender] of senders.entries()) {
        const mine = all.filter((n) => partitionIndex(`key-${n % 7}`, partitions.length) === index);
        if (mine.length === 0) continue;
        await sender.store(encodeFrame(mine.map(numbered)));
        for (const n of mine) acknowledged.set(n, (acknowledged.get(n) ?? 0) + 1);
      }
    };
    const numbered = (n: number) => ({
      ...{ id: uuidOf(`number ${n}`), type: "number.counted", source: undefined, traceparent: undefined },
      ...{ time: Date.UTC(2026, 0, 1) + 40 * n, data: { key: `key-${n % 7}`, n } },
    });
    const someTime = () => clock.advance(random.int(0, 40));

    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < random.int(1, 4); i++) {
        await send(random.int(1, 30));
        await someTime();
      }
      const all = ["", ...partitions.map(({ prefix }) => prefix), ...partitionsOf(copies.plan).map(({ prefix }) => prefix)];
      const putBack = bus.snapshot(random.pick(all));
      for (let i = 0; i < random.int(0, 4); i++) {
        await send(random.int(1, 30));
        await someTime();
      }
      putBack();
      // And once more at once, to what it is now or to any moment since, wherever the workers are then.
      if (random.chance(0.5)) {
        await clock.advance(random.pick([0, 0, 1, 5]));
        soon.goBack(bus.snapshot(random.pick(all)), random.int(1, 60));
        await send(random.int(1, 30));
      }
      await someTime();
    }
    soon.goBack(() => {}, 0);
    // Producers find out when they next store something.
    for (let i = 0; i < 8; i++) await send(20);
    let last: Awaited<ReturnType<typeof recount>> | undefined;
    for (let i = 0; i < 30 && last?.faults.length !== 0; i++) {
      await clock.advance(2_000);
      const drained = await Promise.all(pipelines.map((one) => bench.isDrained(one as never)));
      if (!drained.every(Boolean)) continue;
      const counted = await recount(bus, acknowledged);
      last = { ...counted, faults: counted.faults.filter((fault) => !forgettable.test(fault)) };
    }
    expect({ faults: last?.faults, ...(last?.faults.length !== 0 && { said }) }).toEqual({ faults: [] });
    for (const worker of workers) await worker.stop();
  });

  it.each([
    { moment: "before a derived frame was stored", call: "relay" },
    { moment: "before a stored frame was taken off the outbox", call: "relayed" },
  ] as const)("empties the outbox where it goes back to $moment, and nothing new comes", async ({ call }) => {
    const bench = new Workbench();
    let putBack: (() => void) | undefined;
    const bus = new Proxy(bench.bus as Bus, {
      get(target, property: keyof Bus) {
        const method = (target[property] as (...args: readonly unknown[]) => unknown).bind(target);
        if (property !== call) return method;
        return (...args: readonly unknown[]) => {
          putBack ??= bench.bus.snapshot();
          return method(...args);
        };
      },
    });
    const worker = bench.start([copying as never], { bus });
    await bench.send(numbers.plan, [envelopeOf(1, "number.counted", { key: "k", n: 1 })]);
    await bench.clock.until(async () => putBack !== undefined && (await bench.isDrained(copying as never)));

    putBack?.();
    expect(await bench.isDrained(copying as never)).toBe(false);
    await bench.clock.advance(5_000);
    expect(await bench.isDrained(copying as never)).toBe(true);
    expect((await eventsIn(bench.bus, copies.plan)).map(numberOf)).toEqual([1]);
    await worker.stop();
  });
});
