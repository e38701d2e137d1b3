import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Envelope } from "../../../src/bus/envelope.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { type Bus, deliveryLimits } from "../../../src/bus/port.ts";
import { deadLetter, drop } from "../../../src/dsl/outcome.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { interpose, loseAnswers, refuseCalls } from "../../support/interpose.ts";
import { thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

/** Counts the events of each key: one too many or too few shows in the number of every later row. */
function counting() {
  const stream = things();
  const finished = pipeline("counting")
    .from(stream)
    .fold("count", {
      key: (event) => event.data.key,
      initial: { count: 0 },
      decide: (state, event) => (event.data.orders.includes("ignore") ? drop("ignored") : [{ event, count: state.count + 1 }]),
      evolve: (_, { count }) => ({ count }),
    })
    .map("look it up", async (counted) => counted)
    .route({ rows: clickhouse(thingTable("counted")) }, ({ event, count }, to) =>
      event.data.orders.includes("refuse") ? deadLetter("refused") : to.rows({ ...thingRow(event), n: count }),
    );
  return { stream, finished };
}

interface Sent {
  readonly key: string;
  readonly order: "keep" | "keep2" | "ignore" | "refuse";
}

const sentEvents = fc.array(
  fc.record({ key: fc.constantFrom("a", "b", "c", "d"), order: fc.constantFrom("keep", "keep2", "ignore", "refuse") }),
  {
    minLength: 1,
    maxLength: 200,
  },
) as fc.Arbitrary<readonly Sent[]>;

/** What one uninterrupted reader would have written, from the events alone. */
function truth(sent: readonly Sent[]) {
  const counts = new Map<string, number>();
  const rows = new Map<string, number>();
  const envelopes = sent.map(
    ({ key, order }, n): Envelope => envelopeOf(n, "thing.happened", { key, n, orders: [order] }, Date.UTC(2026, 0, 1)),
  );
  for (const [n, { key, order }] of sent.entries()) {
    if (order === "ignore") continue;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (order !== "refuse") rows.set((envelopes[n] as Envelope).id, counts.get(key) as number);
  }
  const total = (order: string) => sent.filter((one) => one.order === order).length;
  return { envelopes, counts, rows, ignored: total("ignore"), refused: total("refuse") };
}

async function run(
  sent: readonly Sent[],
  perFrame: number,
  life: (bench: Workbench, pipeline: ReturnType<typeof counting>["finished"]) => Promise<void>,
) {
  const bench = new Workbench();
  const { stream, finished } = counting();
  const expected = truth(sent);
  for (let i = 0; i < expected.envelopes.length; i += perFrame) {
    await bench.store(partitionsOf(stream.plan)[0] as never, expected.envelopes.slice(i, i + perFrame));
  }
  await life(bench, finished);
  const last = bench.start([finished]);
  const audit = await bench.drained(finished);
  await last.stop();

  expect(Object.fromEntries(bench.sink("counted").rows.map((row) => [row["event_id"], row["n"]]))).toEqual(
    Object.fromEntries(expected.rows),
  );
  expect(bench.sink("counted").rows).toHaveLength(expected.rows.size);
  const names = [...expected.counts.keys()];
  const states = await bench.states(
    finished,
    partitionsOf(stream.plan)[0] as Partition,
    names.map((name) => `count\n${name}`),
  );
  expect(states).toEqual(names.map((name) => ({ count: expected.counts.get(name) })));
  expect(audit).toMatchObject({
    read: sent.length,
    delivered: expected.rows.size,
    dropped: expected.ignored === 0 ? {} : { ignored: expected.ignored },
    deadLettered: expected.refused === 0 ? {} : { refused: expected.refused },
    inFlight: 0,
    balanced: true,
  });
  expect(await bench.deadLetters(finished.plan)).toHaveLength(expected.refused);
}

/** A process that dies at its `at`th call, just before the bus does what it asks or just after. It never hears an answer again. */
function crashing(bus: Bus, at: number, when: "before" | "after"): { readonly bus: Bus; readonly dies: Promise<void> } {
  let calls = 0;
  let isDead = false;
  let die = () => {};
  const dies = new Promise<void>((resolve) => {
    die = resolve;
  });
  const never = new Promise<never>(() => {});
  return {
    dies,
    bus: interpose(bus, async (call) => {
      if (isDead) return never;
      if (calls++ === at) {
        isDead = true;
        if (when === "after") await call();
        die();
        return never;
      }
      const answer = await call();
      return isDead ? never : answer;
    }),
  };
}

describe("a worker", () => {
  it("that dies at any call leaves nothing lost and nothing counted twice to its successors", async () => {
    const deaths = fc.array(fc.record({ at: fc.integer({ min: 0, max: 12 }), when: fc.constantFrom("before", "after") }), {
      minLength: 1,
      // One death more, and an entry that all of them had in hand is set aside.
      maxLength: deliveryLimits.last - 1,
    });
    await fc.assert(
      fc.asyncProperty(
        sentEvents,
        fc.integer({ min: 1, max: 4 }),
        deaths,
        fc.integer({ min: 0, max: 3 }),
        async (sent, perFrame, lives, failures) => {
          await run(sent, perFrame, async (bench, finished) => {
            for (const { at, when } of lives) {
              const { bus, dies } = crashing(bench.bus, at, when as "before" | "after");
              const worker = bench.start([finished], { bus });
              bench.sink("counted").failNext(failures);
              // It dies while it works, or while it is asked to end.
              let isOver = false;
              void Promise.race([dies, worker.done]).then(() => {
                isOver = true;
              });
              await bench.clock.until(async () => {
                if (await bench.isDrained(finished)) worker.ask();
                return isOver;
              });
            }
          });
        },
      ),
      { numRuns: 120 },
    );
  });

  it("that is killed while a sink is slow writes again what was not acked, and the rows are the same", async () => {
    const sent = Array.from({ length: 300 }, (_, n): Sent => ({ key: `k${n % 5}`, order: "keep" }));
    await run(sent, 2, async (bench, finished) => {
      const { bus, dies } = crashing(bench.bus, 4, "before");
      bench.start([finished], { bus });
      await bench.clock.settle(dies);
    });
  });

  it("loses and doubles nothing when answers get lost on the way", async () => {
    const faults = fc.infiniteStream(fc.integer({ min: 0, max: 3 }));
    await fc.assert(
      fc.asyncProperty(sentEvents, fc.integer({ min: 1, max: 4 }), faults, fc.boolean(), async (sent, perFrame, dice, acts) => {
        await run(sent, perFrame, async (bench, finished) => {
          let left = 30;
          const fails = () => left > 0 && dice.next().value === 0 && left-- > 0;
          const worker = bench.start([finished], { bus: acts ? loseAnswers(bench.bus, fails) : refuseCalls(bench.bus, fails) });
          await bench.drained(finished);
          await worker.stop();
        });
      }),
      { numRuns: 100 },
    );
  });

  it("goes to sleep after an answer got lost, instead of asking without end", async () => {
    const sent = Array.from({ length: 10 }, (): Sent => ({ key: "a", order: "keep" }));
    await run(sent, 1, async (bench, finished) => {
      let reads = 0;
      const bus = loseAnswers(bench.bus, (method) => {
        if (method === "read" && ++reads > 1_000) throw new Error("it reads without end");
        return method === "read" && reads === 2;
      });
      const worker = bench.start([finished], { bus });
      await bench.drained(finished);
      const before = reads;
      await bench.clock.advance(10_000);
      // One look a second at the log, and one at what is replayed.
      expect(reads - before).toBeLessThanOrEqual(24);
      await worker.stop();
    });
  });
});
