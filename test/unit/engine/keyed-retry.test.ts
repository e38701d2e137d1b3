import { describe, expect, it } from "vitest";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { type Thing, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");
const stream = things();
const keys = 8;
const thing = (n: number) => envelopeOf(n, "thing.happened", { key: `k${n % keys}`, n, orders: [] }, Date.UTC(2026, 0, 1) + n);
const events = (count: number) => Array.from({ length: count }, (_, n) => thing(n));
const rowsOf = (bench: Workbench) => bench.sink("rows").rows as readonly { readonly key: string; readonly n: number }[];

/** Counts the events of each key, and gives each the number that it has. */
const counted = {
  key: (event: Thing) => event.key,
  initial: { seen: 0 },
  decide: (state: { readonly seen: number }, event: Thing) => [{ ...event, data: { ...event.data, n: state.seen + 1 } }],
  evolve: (_: { readonly seen: number }, event: Thing) => ({ seen: event.data.n }),
};

/** A function that notes its calls, and asks `failures` times to try event `n` again. */
function moody({ n, failures }: { readonly n: number; readonly failures: number }, isAsync: boolean) {
  const calls: number[] = [];
  let left = failures;
  const answer = (event: Thing) => {
    calls.push(event.data.n);
    if (event.data.n === n && left-- > 0) throw new RetryableError("service.unreachable", "not now");
    return event;
  };
  const callsOf = (one: number) => calls.filter((call) => call === one).length;
  return { calls, callsOf, ask: isAsync ? async (event: Thing) => answer(event) : answer };
}

/** The numbers of each key, in the order in which they came. */
function numbersByKey(bench: Workbench): ReadonlyMap<string, readonly number[]> {
  const numbers = new Map<string, number[]>();
  for (const { key, n } of rowsOf(bench)) numbers.set(key, [...(numbers.get(key) ?? []), n]);
  return numbers;
}

describe("an event of a pipeline with keyed state that has to be tried again", () => {
  it.each([
    ["before the fold, answering at once", "before", false],
    ["before the fold, answering late", "before", true],
    ["behind the fold, answering at once", "behind", false],
    ["behind the fold, answering late", "behind", true],
  ] as const)("is computed once a try, and all others once: %s", async (_, where, isAsync) => {
    const bench = new Workbench();
    const { calls, callsOf, ask } = moody({ n: 13, failures: 10 }, isAsync);
    const from = pipeline("moody").from(stream);
    const seen =
      where === "before"
        ? from.map("ask", ask).fold("count", counted)
        : from
            .fold("count", { ...counted, decide: (_, event) => [event], evolve: ({ seen }) => ({ seen: seen + 1 }) })
            .map("ask", ask);
    const finished = seen.to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(400), 50);
    const worker = bench.start([finished], { portionEvents: 100 });
    expect(await bench.drained(finished)).toMatchObject({ delivered: 400, deadLettered: {}, balanced: true });
    await worker.stop();
    expect(callsOf(13)).toBe(11);
    expect(calls).toHaveLength(410);
    const [partition] = partitionsOf(stream.plan) as [Partition];
    const states = await bench.states(
      finished,
      partition,
      Array.from({ length: keys }, (_, k) => `count\nk${k}`),
    );
    expect(states).toEqual(Array.from({ length: keys }, () => ({ seen: 50 })));
    for (const numbers of numbersByKey(bench).values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  it("holds up the calls of its key; those of other keys are made, of its read and of the next", async () => {
    const bench = new Workbench();
    const { calls, ask } = moody({ n: 3, failures: 1_000 }, true);
    const finished = pipeline("moody").from(stream).map("ask", ask).fold("count", counted).to(clickhouse(table), thingRow);
    // The first read brings two frames.
    await bench.send(stream.plan, events(64), 16);
    const worker = bench.start([finished], { portionEvents: 16 });
    await bench.clock.advance(30_000);
    expect(new Set(calls)).toEqual(new Set(Array.from({ length: 64 }, (_, n) => n).filter((n) => n === 3 || n % keys !== 3)));
    expect(calls.filter((n) => n !== 3)).toHaveLength(56);
    expect(rowsOf(bench)).toEqual([]);
    await worker.stop();
  });

  it("leaves everything to the next owner when the worker stops meanwhile, and nothing is counted twice", async () => {
    const bench = new Workbench();
    const first = moody({ n: 3, failures: 1_000 }, true);
    let ask = first.ask;
    const finished = pipeline("moody")
      .from(stream)
      .map("ask", (event) => ask(event))
      .fold("count", counted)
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(64), 8);
    const worker = bench.start([finished], { portionEvents: 16 });
    await bench.clock.until(() => first.callsOf(3) > 2);
    await worker.stop();
    expect(await bench.audit(finished)).toMatchObject({ delivered: 0, deadLettered: {} });
    ask = moody({ n: 3, failures: 0 }, true).ask;
    const next = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({ delivered: 64, deadLettered: {}, balanced: true });
    await next.stop();
    for (const numbers of numbersByKey(bench).values()) expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("is one dead letter where it fails for good after some tries, and its key goes on", async () => {
    const bench = new Workbench();
    let left = 3;
    const finished = pipeline("moody")
      .from(stream)
      .map("ask", async (event) => {
        if (event.data.n !== 3) return event;
        throw left-- > 0 ? new RetryableError("service.unreachable", "not now") : new Error("never");
      })
      .fold("count", counted)
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(64), 8);
    const worker = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({ delivered: 63, deadLettered: { "stage-failed": 1 }, balanced: true });
    await worker.stop();
    expect(await bench.deadLetters(finished.plan)).toHaveLength(1);
    expect(numbersByKey(bench).get("k3")).toHaveLength(7);
  });

  it("makes calls of different keys side by side, and what comes behind sees the order of the log", async () => {
    const bench = new Workbench();
    const ended: number[] = [];
    const folded: number[] = [];
    const finished = pipeline("slow")
      .from(stream)
      .map("ask", async (event) => {
        await bench.clock.sleep(1_000 - event.data.n);
        ended.push(event.data.n);
        return event;
      })
      .fold("count", {
        ...counted,
        key: () => "all",
        decide: (_, event) => {
          folded.push(event.data.n);
          return [event];
        },
      })
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(keys), keys);
    const worker = bench.start([finished]);
    await bench.drained(finished);
    await worker.stop();
    const inOrder = Array.from({ length: keys }, (_, n) => n);
    expect(ended).toEqual(inOrder.toReversed());
    expect(folded).toEqual(inOrder);
    expect(bench.clock.monotonic()).toBeLessThan(3_000);
  });
});
