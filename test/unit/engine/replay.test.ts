import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Bus } from "../../../src/bus/port.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { collect } from "../../support/collect.ts";
import { loseAnswers } from "../../support/interpose.ts";
import { thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");
const stream = things();
const [partition] = partitionsOf(stream.plan) as [Partition];
const thing = (n: number, key = `k${n % 3}`) => envelopeOf(n, "thing.happened", { key, n, orders: [] });
const rowsOf = (bench: Workbench) => bench.sink("rows").rows;
const everything = { from: { id: "0-0", inclusive: true }, until: "99999999999999-0", count: 1_000, dryRun: false } as const;

/** The same pipeline, before and after somebody mended it. */
const checking = (isMended: () => boolean) =>
  pipeline("checking")
    .from(stream)
    .map("check", (event) => {
      if (event.data.n % 4 === 1 && !isMended()) throw new Error(`cannot stand ${event.data.n}`);
      return event;
    })
    .to(clickhouse(table), thingRow);

/** Asks until there is an answer, as an operator does who runs the same command again. */
async function replayAll(bus: Bus): Promise<void> {
  for (const letter of await collect(bus.deadLetters(partition))) {
    for (let done = false; !done; ) {
      done = await bus.replayDeadLetter(partition, letter).then(
        () => true,
        (error) => {
          if (!(error instanceof RetryableError)) throw error;
          return false;
        },
      );
    }
  }
}

describe("dead letters that are replayed", () => {
  it("go through the pipeline as it is now: each becomes its row once, and nothing else is touched", async () => {
    const bench = new Workbench();
    let isMended = false;
    const finished = checking(() => isMended);
    await bench.send(
      stream.plan,
      Array.from({ length: 20 }, (_, n) => thing(n)),
      7,
    );
    const bare = bench.bus.appendPlain(partition, {
      data: JSON.stringify({ type: "thing.happened", data: { key: "bare", n: 21, orders: [] } }),
    });
    const worker = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({ read: 21, delivered: 15, deadLettered: { "stage-failed": 6 } });
    const told = (await bench.deadLetters(finished.plan)).map(({ eventId }) => eventId);

    await replayAll(bench.bus);
    expect(await bench.drained(finished)).toMatchObject({
      read: 27,
      delivered: 15,
      deadLettered: { "stage-failed": 12 },
      balanced: true,
    });
    expect((await bench.deadLetters(finished.plan)).map(({ eventId }) => eventId).sort()).toEqual([...told].sort());

    isMended = true;
    await replayAll(bench.bus);
    expect(await bench.drained(finished)).toMatchObject({ read: 33, delivered: 21, inFlight: 0, balanced: true });
    await worker.stop();
    expect(await bench.deadLetters(finished.plan)).toEqual([]);
    expect(rowsOf(bench)).toHaveLength(21);
    const late = rowsOf(bench).filter((row) => told.includes(String(row["event_id"])));
    expect(late.map((row) => row["n"]).sort()).toEqual([1, 13, 17, 21, 5, 9]);
    expect(late.find((row) => row["n"] === 21)).toMatchObject({ at: new Date(Number(bare.split("-")[0])) });
  });

  it("move keyed state once, where it had not taken them", async () => {
    const bench = new Workbench();
    let isMended = false;
    const counting = pipeline("counting")
      .from(stream)
      .fold("count", {
        key: (event) => event.data.key,
        initial: { count: 0 },
        decide: (state, event) => {
          if (event.data.n === 4 && !isMended) throw new Error("cannot stand 4");
          return [{ event, count: state.count + 1 }];
        },
        evolve: (_, { count }) => ({ count }),
      })
      .to(clickhouse(table), ({ event, count }) => ({ ...thingRow(event), n: count }));
    await bench.send(
      stream.plan,
      Array.from({ length: 9 }, (_, n) => thing(n, "k")),
    );
    const worker = bench.start([counting]);
    await bench.drained(counting);
    isMended = true;
    await replayAll(bench.bus);
    await replayAll(bench.bus);
    expect(await bench.drained(counting)).toMatchObject({ read: 10, delivered: 9, balanced: true });
    await worker.stop();
    expect(await bench.states(counting, partition, ["count\nk"])).toEqual([{ count: 9 }]);
  });

  it("are neither lost nor doubled when answers are lost, whatever answers these are", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 5, maxLength: 40 }), async (fates) => {
        const bench = new Workbench();
        let isMended = false;
        const finished = checking(() => isMended);
        await bench.send(
          stream.plan,
          Array.from({ length: 40 }, (_, n) => thing(n)),
          3,
        );
        let call = 0;
        const flaky = loseAnswers(bench.bus, (method) =>
          ["replayDeadLetter", "read", "commit"].includes(method) ? fates[call++ % fates.length] === 0 && call % 7 !== 0 : false,
        );
        const worker = bench.start([finished], { bus: flaky });
        await bench.drained(finished);
        isMended = true;
        await replayAll(flaky);
        expect(await bench.drained(finished)).toMatchObject({ read: 50, delivered: 40, inFlight: 0, balanced: true });
        await worker.stop();
        expect(await bench.deadLetters(finished.plan)).toEqual([]);
        expect(new Set(rowsOf(bench).map((row) => row["event_id"]))).toEqual(
          new Set(Array.from({ length: 40 }, (_, n) => thing(n).id)),
        );
      }),
      { numRuns: 30 },
    );
  });
});

describe("a stream that is read again", () => {
  it("writes the same rows, also when its reader is replaced half way", async () => {
    const bench = new Workbench();
    const finished = checking(() => true);
    await bench.send(
      stream.plan,
      Array.from({ length: 60 }, (_, n) => thing(n)),
      4,
    );
    for (let n = 60; n < 70; n++) {
      bench.bus.appendPlain(partition, {
        data: JSON.stringify({ type: "thing.happened", data: { key: "bare", n, orders: [] } }),
      });
    }
    const first = bench.start([finished]);
    await bench.drained(finished);
    const before = new Map(rowsOf(bench).map((row) => [row["event_id"], row]));
    await bench.bus.reread(partition, "checking", everything);
    await first.stop();
    const second = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({ read: 140, delivered: 140, balanced: true });
    await second.stop();
    expect(before.size).toBe(70);
    for (const row of rowsOf(bench)) expect(row).toEqual(before.get(row["event_id"]));
    expect(await bench.bus.replayBacklog(partition, "checking")).toBe(0);
  });
});
