import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { partitionsOf } from "../../../src/bus/partition.ts";
import { deadLetter, drop } from "../../../src/dsl/outcome.ts";
import { type PipelineBuilder, pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import type { Decision, Outcome } from "../../../src/plan/plan.ts";
import { type Thing, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

/** What one event asks for. `good-a`: a row that table a takes; `bad-a`: one that it refuses. */
const orders = ["good-a", "bad-a", "good-b", "bad-b", "drop-x", "drop-y", "dead-x", "dead-y", "throw", "nothing"] as const;

const eventKinds = fc.record({
  key: fc.constantFrom("k1", "k2", "k3"),
  orders: fc.array(fc.constantFrom(...orders), { minLength: 1, maxLength: 4 }),
  flaw: fc.constantFrom("none", "none", "none", "none", "schema", "type", "time", "plain", "plain-broken"),
});
type Kind = typeof eventKinds extends fc.Arbitrary<infer K> ? K : never;

const stages = fc.array(fc.constantFrom("filter", "map", "slow-map", "twins", "failing-map"), { maxLength: 4 });

interface Expected {
  readonly outcome: string;
  readonly a: number;
  readonly b: number;
  readonly deadLetters: number;
}

/** The model: what becomes of one event, told from the words of the promise, without any of the engine's parts. */
function expected(kind: Kind, n: number, stageNames: readonly string[]): Expected {
  const ended = (outcome: string, deadLetters = 0): Expected => ({ outcome, a: 0, b: 0, deadLetters });
  if (kind.flaw === "schema") return ended("deadLettered:schema", 1);
  if (kind.flaw === "type") return ended("deadLettered:unknown-type", 1);
  if (kind.flaw === "time") return ended("deadLettered:time-out-of-range", 1);
  if (kind.flaw === "plain-broken") return ended("deadLettered:not-json", 1);
  let copies = 1;
  for (const [i, stage] of stageNames.entries()) {
    if (stage === "filter" && n % 3 === 0) return ended(`dropped:filter ${i}`);
    if (stage === "failing-map" && n % 5 === 0) return ended("deadLettered:stage-failed", 1);
    if (stage === "twins") {
      copies *= n % 3;
      if (copies === 0) return ended(`dropped:twins ${i}`);
    }
  }
  // A failing decision is one dead letter; the copies before it were decided in the same way, so the first one fails.
  const { orders: list } = kind;
  const failsAt = list.indexOf("throw");
  const isEmpty = list.every((order) => order === "nothing");
  if (failsAt >= 0 || isEmpty) return ended("deadLettered:stage-failed", 1);
  const count = (order: string) => list.filter((other) => other === order).length * copies;
  const refused = count("bad-a") + count("bad-b");
  const dead = count("dead-x") + count("dead-y");
  const delivered = { a: count("good-a"), b: count("good-b"), deadLetters: refused + dead };
  const first = (prefix: string) => list.find((order) => order.startsWith(prefix))?.slice(5);
  if (dead > 0) return { ...delivered, outcome: `deadLettered:${first("dead-")}` };
  if (refused > 0) return { ...delivered, outcome: "deadLettered:row-refused" };
  if (delivered.a + delivered.b > 0) return { ...delivered, outcome: "delivered" };
  return { ...delivered, outcome: `dropped:${first("drop-")}` };
}

function build(stageNames: readonly string[]) {
  const stream = things(2);
  let builder: PipelineBuilder<Thing> = pipeline("things").from(stream);
  for (const [i, stage] of stageNames.entries()) {
    if (stage === "filter") builder = builder.filter(`filter ${i}`, (event) => event.data.n % 3 !== 0);
    if (stage === "map") builder = builder.map(`map ${i}`, (event) => event);
    if (stage === "slow-map") builder = builder.map(`map ${i}`, async (event) => event);
    if (stage === "twins")
      builder = builder.flatMap(`twins ${i}`, (event) => Array.from({ length: event.data.n % 3 }, () => event));
    if (stage === "failing-map") {
      builder = builder.map(`map ${i}`, (event) => {
        if (event.data.n % 5 === 0) throw new Error("no fives");
        return event;
      });
    }
  }
  let serial = 0;
  const row = (event: Thing, isGood: boolean) => ({ ...thingRow(event), n: isGood ? serial++ : -1 });
  const finished = builder.route(
    { a: clickhouse(thingTable("table_a")), b: clickhouse(thingTable("table_b")) },
    (event, to): Decision =>
      event.data.orders.flatMap((order): readonly Outcome[] => {
        const [verb, what = ""] = order.split("-");
        if (verb === "good" || verb === "bad")
          return [what === "a" ? to.a(row(event, verb === "good")) : to.b(row(event, verb === "good"))];
        if (verb === "drop") return [drop(what)];
        if (verb === "dead") return [deadLetter(what)];
        if (verb === "throw") throw new Error("as ordered");
        return [];
      }),
  );
  return { stream, finished };
}

describe("the engine", () => {
  it("gives every event exactly one outcome, and agrees with a model that shares nothing with it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(eventKinds, { minLength: 1, maxLength: 40 }),
        stages,
        fc.integer({ min: 1, max: 7 }),
        async (kinds, stageNames, perFrame) => {
          const bench = new Workbench();
          const { stream, finished } = build(stageNames);
          for (const name of ["a", "b"] as const) {
            const end = finished.plan.end;
            if (end.kind !== "route") throw new Error("not a route");
            bench
              .prepare(end.destinations[name] as (typeof end.destinations)[string])
              .rejectRows((row) => (row["n"] === -1 ? "ordered to be refused" : undefined));
          }
          const framed = kinds.flatMap(({ flaw, key, orders: list }, n) => {
            if (flaw.startsWith("plain")) return [];
            const data = flaw === "schema" ? { key, n: "one", orders: list } : { key, n, orders: list };
            return [
              envelopeOf(
                n,
                flaw === "type" ? "thing.unheard_of" : "thing.happened",
                data,
                flaw === "time" ? 0 : bench.clock.now(),
              ),
            ];
          });
          await bench.send(stream.plan, framed, perFrame);
          const partition = partitionsOf(stream.plan)[0];
          if (!partition) throw new Error("no partition");
          for (const [n, { flaw, key, orders: list }] of kinds.entries()) {
            const event = JSON.stringify({ type: "thing.happened", data: { key, n, orders: list } });
            if (flaw === "plain") bench.bus.appendPlain(partition, { data: event });
            if (flaw === "plain-broken") bench.bus.appendPlain(partition, { data: `${event}{` });
          }

          const worker = bench.start([finished]);
          const audit = await bench.drained(finished);
          await worker.stop();

          const wanted = kinds.map((kind, n) => expected(kind, n, stageNames));
          const total = (outcome: string) => wanted.filter((one) => one.outcome === outcome).length;
          const reasons = (of: string) =>
            Object.fromEntries(
              [...new Set(wanted.map(({ outcome }) => outcome))]
                .filter((name) => name.startsWith(of))
                .map((name) => [name.slice(of.length), total(name)]),
            );
          expect(audit).toEqual({
            pipeline: "things",
            read: kinds.length,
            delivered: total("delivered"),
            emitted: 0,
            dropped: reasons("dropped:"),
            deadLettered: reasons("deadLettered:"),
            duplicate: 0,
            late: 0,
            inFlight: 0,
            lost: 0,
            vanished: 0,
            balanced: true,
          });
          const sum = (of: (one: Expected) => number) => wanted.reduce((all, one) => all + of(one), 0);
          expect(await bench.deadLetters(finished.plan)).toHaveLength(sum((one) => one.deadLetters));
          expect(bench.sink("table_a").rows).toHaveLength(sum((one) => one.a));
          expect(bench.sink("table_b").rows).toHaveLength(sum((one) => one.b));
        },
      ),
      { numRuns: 150 },
    );
  });
});
