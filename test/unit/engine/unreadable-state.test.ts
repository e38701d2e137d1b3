import { describe, expect, it } from "vitest";
import { packStates } from "../../../src/bus/packed-states.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import type { StateRecord } from "../../../src/state/record.ts";
import { nothing } from "../../support/bus-twins.ts";
import { logBook } from "../../support/log-book.ts";
import { numbered } from "../../support/numbered.ts";
import { type Thing, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const stream = things();
const [partition] = partitionsOf(stream.plan) as [Partition];
const begin = Date.UTC(2026, 0, 1);
const thing = (n: number, key: string) => envelopeOf(n, "thing.happened", { key, n, orders: [] }, begin + n);

/** Gives each event the number that it has among those of its key, and asks for a timer. */
const counting = pipeline("counting")
  .from(stream)
  .fold("count", {
    key: (event) => event.data.key,
    initial: { seen: 0 },
    decide: (state, event: Thing) => [{ ...event, data: { ...event.data, n: state.seen + 1 } }],
    onTimer: () => [],
    evolve: (_, event) => ({ seen: event.data.n }),
    timers: () => ({ later: { clock: "processing", afterMs: 3_600_000 } }),
  })
  .to(clickhouse(thingTable("counted")), thingRow);

/** What somebody with access to Redis does, while no worker runs. */
async function write(bench: Workbench, states: Parameters<typeof packStates>[0], timers: readonly string[] = []): Promise<void> {
  const acquired = await bench.bus.acquire(partition, "counting", { owner: "test", ttlMs: 1_000 });
  if (acquired.kind !== "owned") throw new Error("somebody owns it");
  const { epoch, tenure } = acquired;
  const fence = { partition, pipeline: "counting", owner: "test", epoch, tenure };
  const due = timers.map((key) => ({ stage: "count", clock: "processing" as const, member: `later\n${key}`, at: 1 }));
  const keyed = { states: packStates(states), timers: due, seen: [] };
  expect(await numbered(bench.bus).commit(fence, { ...nothing, keyed })).toBe("committed");
  await bench.bus.release(fence);
}

const numbersOf = (bench: Workbench, key: string) =>
  (bench.sink("counted").rows as readonly { readonly key: string; readonly n: number }[])
    .filter((row) => row.key === key)
    .map(({ n }) => n)
    .sort();

describe("a stored state that cannot be read", () => {
  it.each([
    ["is broken JSON", '{"v":1,"at":1,"s":{"se'],
    ["is null", "null"],
    ["has no version", '{"at":1,"s":{"seen":7}}'],
    ["has no content", '{"v":1,"at":1}'],
    ["has timers that are none", '{"v":1,"at":1,"s":{"seen":7},"t":{"later":5}}'],
    ["has a timer at no time", '{"v":1,"at":1,"s":{"seen":7},"t":{"later":["p",1e300]}}'],
    ["was written at no time", '{"v":1,"at":-1e16,"s":{"seen":7}}'],
  ])("since it %s: events of its key become dead letters, other keys go on, and it stays as it is", async (_, json) => {
    const bench = new Workbench();
    await write(bench, [{ name: "count\nbad", json }], ["bad"]);
    const { logger, lines } = logBook();
    const worker = bench.start([counting], { logger });
    const keys = ["bad", "good", "bad", "good", "fine"];
    await bench.send(
      stream.plan,
      keys.map((key, n) => thing(n, key)),
    );
    expect(await bench.drained(counting)).toMatchObject({
      delivered: 3,
      deadLettered: { "state-unreadable": 2 },
      lost: 0,
      balanced: true,
    });
    expect(numbersOf(bench, "good")).toEqual([1, 2]);
    const letters = await bench.deadLetters(counting.plan);
    expect(letters.map(({ eventId }) => eventId)).toEqual([thing(0, "bad").id, thing(2, "bad").id]);
    for (const { error } of letters) expect(error).toMatch(/^the state that stage 'count' keeps for 'bad' cannot be read: .+/);
    expect(lines.filter((line) => line === "error: the events of a key are set aside")).toHaveLength(1);
    await worker.stop();
    expect(await bench.bus.peek(partition, "counting", "count\nbad")).toBe(json);
  });

  it("that is put back is gone on from, its timers fire, and its dead letters can be replayed", async () => {
    const bench = new Workbench();
    await write(bench, [{ name: "count\nbad", json: "{" }], ["bad"]);
    const first = bench.start([counting]);
    await bench.send(stream.plan, [thing(0, "bad")]);
    await bench.drained(counting);
    await first.stop();
    await write(bench, [{ name: "count\nbad", json: '{"v":1,"at":1,"s":{"seen":7},"t":{"later":["p",1]}}' }]);
    const next = bench.start([counting]);
    await bench.clock.until(async () => {
      const stored = JSON.parse((await bench.bus.peek(partition, "counting", "count\nbad")) as string) as StateRecord;
      return (stored.t?.["later"]?.[1] as number) > 1;
    });
    const [letter] = await bench.deadLetters(counting.plan);
    await bench.bus.replayDeadLetter(partition, { id: letter?.id as string, pipeline: "counting" });
    await bench.clock.until(async () => numbersOf(bench, "bad").length > 0);
    expect(numbersOf(bench, "bad")).toEqual([8]);
    await next.stop();
  });
});

describe("how far event time had come", () => {
  it.each(["{", "null", '{"began":"x"}'])("begins anew where it cannot be read (%s), and is told", async (json) => {
    const bench = new Workbench();
    await write(bench, [{ name: "\n", json }]);
    const { logger, lines } = logBook();
    const worker = bench.start([counting], { logger });
    await bench.send(stream.plan, [thing(0, "good")]);
    expect(await bench.drained(counting)).toMatchObject({ delivered: 1, deadLettered: {}, balanced: true });
    expect(lines).toContain("error: how far event time had come cannot be read in Redis: it begins anew");
    await worker.stop();
  });
});
