import { describe, expect, it } from "vitest";
import { ConfigError, RetryableError } from "../../../src/core/errors.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse, toStream } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import type { PipelinePlan, StageCall } from "../../../src/plan/plan.ts";
import { compileFlow } from "../../../src/stages/flow.ts";
import { type Thing, thingHappened, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");
const events = (count: number) =>
  Array.from({ length: count }, (_, n) => envelopeOf(n, thingHappened.plan.type, { key: `k${n % 16}`, n, orders: [] }));

describe("the guards of a source", () => {
  const limited = (stream: ReturnType<typeof things>) =>
    pipeline("slow")
      .from(stream, { rateLimit: { perSecond: 100, burst: 50 } })
      .to(clickhouse(table), thingRow);

  it("bound the events read a second over all partitions, and lose none", async () => {
    const bench = new Workbench();
    const stream = things(4);
    const finished = limited(stream);
    await bench.send(stream.plan, events(600), 10);
    const worker = bench.start([finished]);
    const seen: number[] = [];
    for (let second = 1; second <= 4; second++) {
      await bench.clock.advance(1_000);
      seen.push(bench.sink("rows").rows.length);
    }
    for (const [i, rows] of seen.entries()) {
      expect(rows).toBeLessThanOrEqual(50 + 100 * (i + 1));
      expect(rows).toBeGreaterThan(100 * i);
    }
    expect((await bench.drained(finished)).delivered).toBe(600);
    expect(bench.clock.monotonic()).toBeGreaterThanOrEqual(5_500);
    await worker.stop();
    expect(bench.sink("rows").rows).toHaveLength(600);
  });

  it("leave what was held back to the next owner when the worker stops", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = limited(stream);
    await bench.send(stream.plan, events(300), 50);
    const first = bench.start([finished]);
    await bench.clock.advance(1_000);
    const before = bench.clock.monotonic();
    await first.stop();
    expect(bench.clock.monotonic() - before).toBeLessThan(100);
    const second = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({ delivered: 300, deadLettered: {} });
    await second.stop();
    expect(bench.sink("rows").rows).toHaveLength(300);
  });

  it("count what is tried again once", async () => {
    const bench = new Workbench();
    const stream = things();
    let failures = 3;
    const finished = pipeline("slow")
      .from(stream, { rateLimit: { perSecond: 1, burst: 20 } })
      .map("ask", (event: Thing) => {
        if (event.data.n === 10 && failures-- > 0) throw new RetryableError("service.unreachable", "away");
        return event;
      })
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(20), 20);
    const worker = bench.start([finished]);
    await bench.drained(finished);
    expect(bench.clock.monotonic()).toBeLessThan(20_000);
    await worker.stop();
  });

  it("takes an event once, also where a commit carries only a part of what was read", async () => {
    const bench = new Workbench();
    const stream = things();
    const finished = pipeline("slow")
      .from(stream, { rateLimit: { perSecond: 1, burst: 60 } })
      .fold("text", {
        key: ({ data }) => data.key,
        initial: "",
        decide: (_, event) => [event],
        evolve: () => "x".repeat(900_000),
      })
      .to(clickhouse(table), thingRow);
    const large = Array.from({ length: 60 }, (_, n) => envelopeOf(n, "thing.happened", { key: `k${n}`, n }));
    await bench.send(stream.plan, large, 1);
    const worker = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({ delivered: 60 });
    expect(bench.clock.monotonic()).toBeLessThan(20_000);
    await worker.stop();
  });

  it("that are shared stop the worker where there is no place to share them in", async () => {
    const bench = new Workbench();
    const finished = pipeline("slow")
      .from(things(), { rateLimit: { perSecond: 1, shared: true } })
      .to(clickhouse(table), thingRow);
    await expect(bench.start([finished]).done).rejects.toBeInstanceOf(ConfigError);
  });
});

describe("the rate limit of a stream that is written", () => {
  it("holds events back before they are settled, and stores each once, also when the worker stops meanwhile", async () => {
    const bench = new Workbench();
    const stream = things(2);
    const derived = defineStream("derived", { events: [thingHappened], partitions: 2 });
    const finished = pipeline("deriving")
      .from(stream)
      .to(toStream(derived, { rateLimit: { perSecond: 2_000, burst: 1_000 } }), ({ data }) => thingHappened(data));
    // Two frames a read.
    await bench.send(stream.plan, events(10_000), 500);
    const first = bench.start([finished]);
    await bench.clock.advance(2_000);
    const { delivered } = await bench.audit(finished);
    expect(delivered).toBeLessThanOrEqual(1_000 + 4_000);
    expect(delivered).toBeGreaterThan(2_000);
    await first.stop();
    const second = bench.start([finished]);
    expect(await bench.drained(finished)).toMatchObject({ delivered: 10_000, deadLettered: {} });
    await second.stop();
    expect(bench.clock.monotonic()).toBeGreaterThanOrEqual(4_000);
    const reading = pipeline("reading").from(derived).to(clickhouse(table), thingRow);
    const reader = bench.start([reading]);
    expect(await bench.drained(reading)).toMatchObject({ delivered: 10_000 });
    await reader.stop();
    expect(bench.sink("rows").rows).toHaveLength(10_000);
  });
});

describe("the guards of a stage", () => {
  it("are one for all partitions of a worker", async () => {
    const bench = new Workbench();
    const stream = things(4);
    let atOnce = 0;
    let most = 0;
    const finished = pipeline("asking")
      .from(stream)
      .map(
        "ask",
        async (event: Thing) => {
          most = Math.max(most, ++atOnce);
          await bench.clock.sleep(10);
          atOnce -= 1;
          return event;
        },
        { concurrency: 2 },
      )
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(80), 5);
    const worker = bench.start([finished]);
    await bench.drained(finished);
    await worker.stop();
    expect(most).toBe(2);
    expect(bench.clock.monotonic()).toBeGreaterThanOrEqual(400);
    expect(bench.sink("rows").rows).toHaveLength(80);
  });

  it("that give up have the events tried again, until they pass", async () => {
    const bench = new Workbench();
    const stream = things(2);
    let broken = true;
    let calls = 0;
    const finished = pipeline("asking")
      .from(stream)
      .map(
        "ask",
        async (event: Thing) => {
          calls += 1;
          if (broken) throw new RetryableError("service.unreachable", "away");
          return event;
        },
        { concurrency: 1, breaker: { failures: 3, openMs: 60_000 } },
      )
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(40), 5);
    const worker = bench.start([finished]);
    await bench.clock.advance(59_000);
    expect(calls).toBe(3);
    broken = false;
    expect(await bench.drained(finished)).toMatchObject({ delivered: 40, deadLettered: {} });
    await worker.stop();
  });

  it("have no more calls open than were allowed while every call takes too long", async () => {
    const bench = new Workbench();
    const stream = things(4);
    let open = 0;
    let most = 0;
    let isSlow = true;
    const finished = pipeline("asking")
      .from(stream)
      .map(
        "ask",
        async (event: Thing) => {
          most = Math.max(most, ++open);
          if (isSlow) await bench.clock.sleep(5_000);
          open -= 1;
          return event;
        },
        { concurrency: 2, timeoutMs: 100 },
      )
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, events(80), 5);
    const worker = bench.start([finished]);
    await bench.clock.advance(30_000);
    expect(most).toBe(2);
    isSlow = false;
    expect(await bench.drained(finished)).toMatchObject({ delivered: 80, deadLettered: {} });
    await worker.stop();
  });

  it.each(["map", "flatMap", "enrich"] as const)(
    "break a call of a %s off when the worker stops, and leave its event to the next",
    async (kind) => {
      for (const isKeyed of [false, true]) {
        const bench = new Workbench();
        const stream = things();
        let hasStopped = false;
        const ask = async (event: Thing, { signal }: StageCall) => {
          if (!hasStopped && event.data.n === 7)
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          return event;
        };
        const source = pipeline("asking").from(stream);
        const asking = {
          map: () => source.map("ask", ask),
          flatMap: () => source.flatMap("ask", async (event, call) => [await ask(event, call)]),
          enrich: () => {
            const byId = new Map<string, Thing>();
            const key = (event: Thing) => {
              byId.set(event.id, event);
              return event.id;
            };
            const look = (id: string, call: StageCall) => ask(byId.get(id) as Thing, call);
            return source.enrich("ask", { key, look, combine: (event) => event });
          },
        }[kind]();
        const finished = (isKeyed ? asking.dedupe("once") : asking).to(clickhouse(table), thingRow);
        await bench.send(stream.plan, events(20), 5);
        const first = bench.start([finished]);
        await bench.clock.advance(1_000);
        await first.stop();
        hasStopped = true;
        expect((await bench.audit(finished)).deadLettered).toEqual({});
        const second = bench.start([finished]);
        expect(await bench.drained(finished)).toMatchObject({ delivered: 20, deadLettered: {}, balanced: true });
        await second.stop();
        expect(new Set(bench.sink("rows").rows.map((row) => (row as { n: number }).n)).size).toBe(20);
      }
    },
  );

  it("and the answers that enrich keeps, are one for all partitions of a worker, and hold up no key that waits for nothing", async () => {
    const bench = new Workbench();
    const stream = things(4);
    const asked: string[] = [];
    let isAway = true;
    const finished = pipeline("asking")
      .from(stream)
      .enrich("parity", {
        key: (event) => (event.data.n % 2 === 0 ? "even" : "odd"),
        look: async (key) => {
          asked.push(key);
          if (key === "odd" && isAway) throw new RetryableError("service.unreachable", "away");
          return key.length;
        },
        combine: (event, n) => ({ ...thingRow(event), n }),
      })
      .to(clickhouse(table), (row) => row);
    // The keys k0 to k15 are numbered as their events are: each is of even numbers, or of odd ones.
    await bench.send(stream.plan, events(160), 5);
    const worker = bench.start([finished]);
    await bench.clock.advance(10_000);
    expect(bench.sink("rows").rows).toHaveLength(80);
    expect(asked.filter((key) => key === "even")).toHaveLength(1);
    isAway = false;
    expect(await bench.drained(finished)).toMatchObject({ delivered: 160, deadLettered: {}, balanced: true });
    const before = asked.length;
    await bench.send(stream.plan, events(320).slice(160), 5);
    expect(await bench.drained(finished)).toMatchObject({ delivered: 320 });
    expect(asked).toHaveLength(before);
    await worker.stop();
    expect(new Set(bench.sink("rows").rows.map((row) => (row as { event_id: string }).event_id)).size).toBe(320);
  });

  it("cannot be passed over by whoever compiles the stages without them", () => {
    const { plan } = pipeline("asking")
      .from(things())
      .map("ask", (event) => event, { timeoutMs: 1 })
      .to(clickhouse(table), thingRow);
    expect(() => compileFlow(plan as PipelinePlan)).toThrow("nobody has put on the guards of stage 'ask'");
  });
});
