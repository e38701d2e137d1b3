import { describe, expect, it } from "vitest";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Bus } from "../../../src/bus/port.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { count } from "../../../src/dsl/aggregators/numbers.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { tumbling } from "../../../src/dsl/window.ts";
import { interpose } from "../../support/interpose.ts";
import { type Thing, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");

/** The bus, with a look at how many bytes of states each commit carries. */
function weighing(bus: Bus, bytes: number[]): Bus {
  return new Proxy(bus, {
    get(target, property: keyof Bus) {
      const method = target[property].bind(target) as (...args: readonly unknown[]) => unknown;
      if (property !== "commit") return method;
      return (...args: Parameters<Bus["commit"]>) => {
        bytes.push(args[1].keyed?.states.bytes.length ?? 0);
        return method(...args);
      };
    },
  });
}

describe("a read of many events", () => {
  it("is divided where one commit could not carry what it does to the states", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = pipeline("heavy")
      .from(stream)
      .fold("text", {
        key: ({ data }) => data.key,
        initial: { text: "", n: 0 },
        decide: (_, event) => [event],
        evolve: ({ n }, { data }) => ({ text: "x".repeat(900_000), n: n + data.n }),
      })
      .to(clickhouse(table), thingRow);
    const [partition] = partitionsOf(stream.plan) as [Partition];
    const events = Array.from({ length: 120 }, (_, n) => envelopeOf(n, "thing.happened", { key: `k${n % 60}`, n }));
    await bench.send(stream.plan, events, 1);
    const bytes: number[] = [];
    const worker = bench.start([finished], { bus: weighing(bench.bus, bytes) });
    expect(await bench.drained(finished)).toMatchObject({ read: 120, delivered: 120, balanced: true });
    await worker.stop();
    expect(Math.max(...bytes)).toBeLessThanOrEqual(16 * 1024 * 1024);
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(60 * 900_000);
    expect(bench.sink("rows").rows).toHaveLength(120);
    const states = await bench.states(
      finished,
      partition,
      Array.from({ length: 60 }, (_, k) => `text\nk${k}`),
    );
    expect(states.map((state) => (state as { n: number }).n)).toEqual(Array.from({ length: 60 }, (_, k) => k + k + 60));
  });

  it("whose timers do not all fire at once leaves event time to the events that are still to be read, however old they are", async () => {
    const bench = new Workbench();
    const stream = things();
    const minute = 60_000;
    const began = Date.UTC(2026, 0, 1);
    const counted = pipeline("counted")
      .from(stream)
      .keyBy(({ data }) => data.key)
      .window(tumbling({ sizeMs: minute }))
      .aggregate({ n: count() })
      .to(clickhouse(table), ({ key, start, values }) => ({ event_id: `${key} ${start}`, key, n: values.n, at: start }));
    await bench.clock.advance(3_600_000);
    // Thousands of windows that all close at the first of the events behind them, of which there are several reads.
    const many = Array.from({ length: 20_000 }, (_, n) => envelopeOf(n, "thing.happened", { key: `k${n}`, n }, began));
    const later = Array.from({ length: 20_000 }, (_, n) =>
      envelopeOf(many.length + n, "thing.happened", { key: "later", n }, began + 2 * minute + n * 50),
    );
    await bench.send(stream.plan, many, 500);
    await bench.clock.advance(minute);
    await bench.send(stream.plan, later, 500);
    await bench.clock.advance(3 * 3_600_000);
    const worker = bench.start([counted]);
    expect(await bench.drained(counted)).toMatchObject({ read: 40_000, delivered: 40_000, late: 0, balanced: true });
    await worker.stop();
  });

  it("lets each timer fire once, also those that only the store knows when the read begins", async () => {
    const bench = new Workbench();
    const stream = things();
    const began = Date.UTC(2026, 0, 1);
    const dueAt = (n: number) => began + 3_600_000 + n * 10;
    const finished = pipeline("alarms")
      .from(stream)
      .fold("alarm", {
        key: ({ data }) => data.key,
        initial: { n: -1 },
        decide: (_, event: Thing) => [event],
        evolve: (_, { data }) => ({ n: data.n }),
        timers: ({ n }) => (n < 0 ? {} : { fire: { clock: "event", at: new Date(dueAt(n)) } }),
        onTimer: ({ n }, { at }) => [{ id: "", time: at, data: { key: "fired", n, orders: [] } } as unknown as Thing],
      })
      .filter("fires", ({ data }) => data.key === "fired")
      .to(clickhouse(table), ({ time, data }) => ({ event_id: crypto.randomUUID(), key: data.key, n: data.n, at: time }));
    const timers = 13_000;
    const setters = Array.from({ length: timers }, (_, n) =>
      envelopeOf(n, "thing.happened", { key: `k${n}`, n }, began + Math.floor(n / 10)),
    );
    await bench.send(stream.plan, setters, 500);
    const first = bench.start([finished]);
    await bench.drained(finished);
    await first.stop();

    await bench.clock.advance(3 * 3_600_000);
    const tick = (n: number, time: number) => envelopeOf(timers + n, "thing.happened", { key: "tick", n: -1 }, time);
    // Nine tenths of what the next owner fetches at first fire before the long read, which comes to the end of the rest half way.
    await bench.send(stream.plan, [tick(0, dueAt(9_000))], 1);
    await bench.send(
      stream.plan,
      Array.from({ length: 8_000 }, (_, n) => tick(n + 1, dueAt(9_000) + n * 5)),
      500,
    );
    let loads = 0;
    const second = bench.start([finished], {
      bus: interpose(bench.bus, (call, method) => {
        if (method === "timers") loads++;
        return call();
      }),
    });
    await bench.drained(finished);
    await second.stop();
    const fired = bench.sink("rows").rows.map((row) => (row as { n: number }).n);
    expect(fired.filter((n) => n < 13_000)).toHaveLength(new Set(fired).size);
    expect(fired.sort((a, b) => a - b)).toEqual(Array.from({ length: timers }, (_, n) => n));
    // Two for the start, one for each clock.
    expect(loads).toBeGreaterThan(2);
  });

  it.each([1, 2, 3, 4, 5, 6])(
    "that cannot be taken before a stop, at fetch %i of states, keeps its place before the one that was read ahead",
    async (at) => {
      const bench = new Workbench();
      const stream = things();
      const ordered = pipeline("ordered")
        .from(stream)
        .fold("order", {
          key: ({ data }) => data.key,
          initial: { seen: [] as readonly number[] },
          decide: (_, event) => [event],
          evolve: ({ seen }, { data }) => ({ seen: [...seen, data.n] }),
        })
        .to(clickhouse(table), thingRow);
      const [partition] = partitionsOf(stream.plan) as [Partition];
      // Each frame has a key of its own beside the common one: there is always something to fetch.
      const events = Array.from({ length: 5_000 }, (_, n) =>
        envelopeOf(n, "thing.happened", { key: n % 10 === 0 ? `k${n}` : "all", n }),
      );
      await bench.send(stream.plan, events, 10);
      let fetches = 0;
      let isFailing = false;
      const first = bench.start([ordered], {
        stateCacheBytes: 1,
        bus: interpose(bench.bus, async (call, method) => {
          if (method === "states" && ++fetches === at) isFailing = true;
          if (!isFailing || method !== "states") return call();
          // The stop comes while it is tried again, and with it what made it fail is over.
          queueMicrotask(() => {
            first.ask();
            isFailing = false;
          });
          throw new RetryableError("service.unreachable", "the states cannot be fetched");
        }),
      });
      await bench.clock.settle(first.done);
      const second = bench.start([ordered]);
      await bench.drained(ordered);
      await second.stop();
      const [all] = (await bench.states(ordered, partition, ["order\nall"])) as [{ readonly seen: readonly number[] }];
      expect(all.seen).toHaveLength(4_500);
      expect(all.seen.filter((n, i) => n < (all.seen[i - 1] ?? 0))).toEqual([]);
    },
  );
});
