import { describe, expect, it } from "vitest";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");
const stream = things();
const [partition] = partitionsOf(stream.plan) as [Partition];
const thing = (n: number, key = `k${n % 3}`) => envelopeOf(n, "thing.happened", { key, n, orders: [] });
const things10 = Array.from({ length: 10 }, (_, n) => thing(n));
const numbers = (bench: Workbench) => bench.sink("rows").rows.map((row) => row["n"]);

describe("what an operator does to a stream", () => {
  const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);

  it("a removed group begins again behind what is settled, and nothing is counted twice", async () => {
    const bench = new Workbench();
    const worker = bench.start([copy]);
    await bench.send(stream.plan, things10, 1);
    await bench.drained(copy);
    bench.bus.removeGroup(partition, "copy");
    await bench.send(stream.plan, [thing(10), thing(11)], 1);
    const audit = await bench.drained(copy);
    await worker.stop();
    expect(audit).toMatchObject({ read: 12, delivered: 12, balanced: true });
    expect(numbers(bench)).toHaveLength(12);
  });

  it("unread entries that were trimmed are told as lost", async () => {
    const bench = new Workbench();
    const worker = bench.start([copy]);
    await bench.send(stream.plan, things10, 5);
    await bench.drained(copy);
    await worker.stop();
    await bench.send(
      stream.plan,
      Array.from({ length: 40 }, (_, n) => thing(n + 10)),
      10,
    );
    const unread = bench.bus.entriesOf(partition).slice(2);
    bench.bus.removeEntries(
      partition,
      unread.slice(0, 3).map(({ id }) => id),
    );
    expect(await bench.audit(copy)).toMatchObject({ lost: 3, balanced: true });
    const next = bench.start([copy]);
    expect(await bench.drained(copy)).toMatchObject({ read: 20, delivered: 20, lost: 30, balanced: true });
    await next.stop();
  });
});
