import { describe, expect, it } from "vitest";
import { count } from "../../../src/dsl/aggregators/numbers.ts";
import { deadLetter } from "../../../src/dsl/outcome.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import { tumbling } from "../../../src/dsl/window.ts";
import { thingHappened, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");
const stream = things();
const began = Date.UTC(2026, 0, 1);
const events = Array.from({ length: 6 }, (_, n) => envelopeOf(n, "thing.happened", { key: `k${n % 3}`, n }, began));
const windows = () =>
  pipeline("counted")
    .from(stream)
    .keyBy(({ data }) => data.key)
    .window(tumbling({ sizeMs: 60_000 }))
    .aggregate({ n: count() });

/** What is kept of the results that come of the events, none of which any sink takes. */
async function keptOf(finished: ReturnType<ReturnType<typeof windows>["to"]>, bench = new Workbench()) {
  await bench.send(stream.plan, events);
  const worker = bench.start([finished]);
  await bench.drained(finished);
  await bench.clock.advance(10 * 60_000);
  const { emitted, ...audit } = await bench.drained(finished);
  expect(audit).toMatchObject({ read: 6, delivered: 6, deadLettered: {}, balanced: true });
  await worker.stop();
  const letters = await bench.deadLetters(finished.plan);
  // Three windows have closed.
  expect(emitted).toBe(3 - letters.length);
  expect(letters.map(({ entry }) => entry)).toEqual(letters.map(() => ""));
  return letters.map(({ stage, original }) => [stage, JSON.parse(original ?? "null")] as const).sort();
}

describe("a result that no event alone has caused", () => {
  it("is in its dead letter where ClickHouse refuses its row", async () => {
    const bench = new Workbench();
    bench.prepare(clickhouse(table).plan).rejectRows(({ key }) => (key === "k1" ? undefined : "it is refused"));
    const finished = windows().to(clickhouse(table), ({ key, start, values }) => ({
      event_id: "00000000-0000-4000-8000-000000000000",
      key,
      n: values.n,
      at: start,
    }));
    const row = (key: string) => ({
      event_id: "00000000-0000-4000-8000-000000000000",
      key,
      n: 2,
      at: new Date(began).toISOString(),
    });
    expect(await keptOf(finished, bench)).toEqual([
      ["sink:to", row("k0")],
      ["sink:to", row("k2")],
    ]);
  });

  it("is in its dead letter where a stream does not take the event that is made of it", async () => {
    const to = defineStream("derived", { events: [thingHappened], partitions: 1 });
    const finished = windows().emit(to, ({ key, values }) =>
      thingHappened({ key, n: (key === "k0" ? BigInt(values.n) : values.n) as never, orders: [] }),
    );
    expect(await keptOf(finished)).toEqual([["sink:to", expect.objectContaining({ data: { key: "k0", n: 2, orders: [] } })]]);
  });

  it("is in its dead letter where a function of the pipeline refuses it or throws, whatever it holds", async () => {
    const cyclic: Record<string, unknown> = {
      big: 12n,
      when: new Date(began),
      nothing: undefined,
      all: new Map([["a", new Set([1n])]]),
    };
    cyclic["self"] = cyclic;
    const finished = windows()
      .map("enrich", (result) => ({ ...result, extra: result.key === "k0" ? cyclic : Number.NaN }))
      .map("check", (result) => {
        if (result.key === "k1") throw new Error("not this one");
        return result;
      })
      .route({ rows: clickhouse(table) }, () => deadLetter("nobody wants it"));
    const kept = await keptOf(finished);
    expect(kept.map(([stage, { key, values }]) => [stage, key, values])).toEqual([
      ["route", "k0", { n: 2 }],
      ["route", "k2", { n: 2 }],
      ["stages", "k1", { n: 2 }],
    ]);
    expect(kept.slice(0, 2).map(([, { extra }]) => extra)).toEqual([
      {
        big: 12,
        when: new Date(began).toISOString(),
        nothing: "[undefined]",
        all: { "[Map]": [["a", { "[Set]": [1] }]] },
        self: "[circular]",
      },
      "[NaN]",
    ]);
  });
});
