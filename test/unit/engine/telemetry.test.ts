import { describe, expect, it } from "vitest";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import { RetryableError } from "../../../src/core/errors.ts";
import { pipeline } from "../../../src/dsl/pipeline.ts";
import { clickhouse } from "../../../src/dsl/sinks.ts";
import { defineStream } from "../../../src/dsl/stream.ts";
import type { Telemetry } from "../../../src/telemetry/port.ts";
import { shielded } from "../../../src/telemetry/shielded.ts";
import { refuseCalls } from "../../support/interpose.ts";
import { logBook } from "../../support/log-book.ts";
import { recordedTelemetry, sumOf } from "../../support/recorded-telemetry.ts";
import { type Thing, thingHappened, thingRow, things, thingTable } from "../../support/things.ts";
import { envelopeOf, Workbench } from "../../support/workbench.ts";

const table = thingTable("rows");
const stream = things();
const [partition] = partitionsOf(stream.plan) as [Partition];
const thing = (n: number, orders: readonly string[] = []) => envelopeOf(n, "thing.happened", { key: `k${n % 3}`, n, orders });
const some = (count: number) => Array.from({ length: count }, (_, n) => thing(n));
const copy = pipeline("copy").from(stream).to(clickhouse(table), thingRow);
const place = { pipeline: "copy", partition: "things/00", log: "main" };

async function run(bench: Workbench, one: Parameters<Workbench["start"]>[0][number], telemetry: Telemetry) {
  const worker = bench.start([one], { telemetry });
  const audit = await bench.drained(one);
  await worker.stop();
  return audit;
}

describe("telemetry", () => {
  it("is told of each batch at the four arrows, with counts, bytes, durations and lag", async () => {
    const bench = new Workbench();
    const { telemetry, told } = recordedTelemetry();
    await bench.send(stream.plan, some(10), 5);
    await bench.clock.advance(2_000);
    await run(bench, copy, telemetry);
    for (const member of ["read", "processed", "committed"] as const) {
      expect(sumOf<{ readonly events: number }>(told[member], ({ events }) => events)).toBe(10);
      expect(sumOf<{ readonly entries: number }>(told[member], ({ entries }) => entries)).toBe(2);
      for (const report of told[member]) expect(report).toMatchObject({ ...place, bytes: expect.any(Number) });
    }
    expect(told.read[0]).toMatchObject({ from: "new", lagMs: 2_000, durationMs: expect.any(Number) });
    expect(sumOf(told.processed, ({ rows }) => rows)).toBe(10);
    expect(told.processed[0]).toMatchObject({ derived: 0, deadLetters: 0, waiting: 0 });
    expect(sumOf(told.confirmed, ({ rows }) => rows)).toBe(10);
    expect(told.confirmed[0]).toMatchObject({ ...place, destination: "to", rejected: 0 });
    expect(sumOf(told.committed, ({ counts }) => counts["delivered"] ?? 0)).toBe(10);
    for (const { bytes, lagMs, sinceReadMs, durationMs } of told.committed) {
      expect(bytes).toBeGreaterThan(100);
      expect(lagMs).toBeGreaterThanOrEqual(2_000);
      expect(sinceReadMs).toBeGreaterThanOrEqual(durationMs);
    }
    expect(told.deadLetter).toEqual([]);
    expect(told.retry).toEqual([]);
    expect(told.traced).toEqual([]);
  });

  it("is told which lease was taken and given back, and which was lost", async () => {
    const bench = new Workbench();
    const { telemetry, told } = recordedTelemetry();
    await run(bench, copy, telemetry);
    const about = { pipeline: "copy", partition: "things/00", epoch: expect.any(Number) };
    expect(told.lease).toEqual([
      { kind: "taken", ...about },
      { kind: "released", ...about },
    ]);
    const lost = recordedTelemetry();
    let isAway = false;
    const bus = refuseCalls(bench.bus, (method) => isAway && method === "renew");
    const worker = bench.start([copy], { bus, telemetry: lost.telemetry });
    await bench.clock.until(() => lost.told.lease.length === 1);
    isAway = true;
    await bench.clock.until(() => lost.told.lease.length > 1);
    expect(lost.told.lease[1]).toEqual({ kind: "lost", ...about });
    isAway = false;
    await worker.stop();
  });

  it("is told of each dead letter, once it is committed", async () => {
    const bench = new Workbench();
    const { telemetry, told } = recordedTelemetry();
    bench.prepare(clickhouse(table).plan).rejectRows((row) => (row["n"] === 2 ? "out of range" : undefined));
    await bench.store(partition, [thing(1), envelopeOf(7, "thing.happened", { key: "k" }), thing(2)]);
    await run(bench, copy, telemetry);
    expect(told.deadLetter.map(({ stage, reason, index, eventId }) => ({ stage, reason, index, eventId }))).toEqual([
      { stage: "admit", reason: "schema", index: 1, eventId: envelopeOf(7, "", 0).id },
      { stage: "sink:to", reason: "row-refused", index: 2, eventId: thing(2).id },
    ]);
    expect(told.deadLetter[0]).toMatchObject({ ...place, entry: expect.stringContaining("-"), type: "thing.happened" });
    expect(sumOf(told.confirmed, ({ rejected }) => rejected)).toBe(1);
  });

  it("is told of what is tried again: a read, an event, a batch of a pipeline with state, a commit", async () => {
    const failing = new Set(["read", "commit"]);
    const bench = new Workbench();
    const { telemetry, told } = recordedTelemetry();
    const once = new Set<string>();
    const moody = (event: Thing) => {
      if (event.data.n === 1 && !once.has(event.id)) {
        once.add(event.id);
        throw new RetryableError("service.unreachable", "not now");
      }
      return event;
    };
    const asking = pipeline("copy").from(stream).map("ask", moody).to(clickhouse(table), thingRow);
    await bench.send(stream.plan, some(3));
    const bus = refuseCalls(bench.bus, (method) => failing.delete(method));
    const worker = bench.start([asking], { bus, telemetry });
    await bench.drained(asking);
    await worker.stop();
    const about = { pipeline: "copy", partition: "things/00", failed: 1, code: "service.unreachable" };
    expect(told.retry).toEqual([
      { of: "read", ...about, waitMs: expect.any(Number) },
      { of: "event", ...about, event: thing(1).id, waitMs: expect.any(Number) },
      { of: "commit", ...about, waitMs: expect.any(Number) },
    ]);

    const keyed = new Workbench();
    const batches = recordedTelemetry();
    let isAway = true;
    const counted = pipeline("counted")
      .from(stream)
      .fold("count", {
        key: ({ key }) => key,
        initial: { seen: 0 },
        decide: (_, event) => {
          if (isAway) throw new RetryableError("service.unreachable", "not now");
          return [event];
        },
        evolve: ({ seen }) => ({ seen: seen + 1 }),
      })
      .to(clickhouse(table), thingRow);
    await keyed.send(stream.plan, some(3));
    const second = keyed.start([counted], { telemetry: batches.telemetry });
    await keyed.clock.until(() => batches.told.retry.length === 2);
    isAway = false;
    await keyed.drained(counted);
    await second.stop();
    expect(batches.told.retry.map(({ of, failed }) => [of, failed])).toEqual([
      ["batch", 1],
      ["batch", 2],
    ]);
  });

  it("is told what guards do: a breaker, a limit, a time-out, and the tries behind them", async () => {
    const bench = new Workbench();
    const { telemetry, told } = recordedTelemetry();
    let failures = 2;
    const guarded = pipeline("guarded")
      .from(stream, { rateLimit: { perSecond: 10, burst: 10 } })
      .map(
        "ask",
        async (event: Thing) => {
          if (failures-- > 0) throw new RetryableError("service.unreachable", "not now");
          if (event.data.n === 5) await bench.clock.sleep(400);
          return event;
        },
        { breaker: { failures: 2, openMs: 1_000 }, timeoutMs: 300, retry: { attempts: 1, initialMs: 1, maxMs: 2 } },
      )
      .to(clickhouse(table), thingRow);
    await bench.send(stream.plan, [thing(0), thing(1), thing(2)]);
    const worker = bench.start([guarded], { telemetry });
    await bench.drained(guarded);
    const of = "stage 'guarded/ask'";
    expect(told.guard.map(({ kind }) => kind)).toEqual(["breaker-opened", "breaker-closed"]);
    expect(told.guard[0]).toEqual({ kind: "breaker-opened", of, failures: 2, forMs: 1_000 });
    expect(told.guard[1]).toMatchObject({ of, lastedMs: expect.any(Number) });
    expect(told.retry).toContainEqual({
      of: "call",
      call: of,
      failed: 1,
      waitMs: expect.any(Number),
      code: "service.unreachable",
    });
    await bench.send(stream.plan, [thing(5), ...Array.from({ length: 30 }, (_, n) => thing(100 + n))]);
    await bench.clock.until(() => told.guard.some(({ kind }) => kind === "timed-out"));
    await worker.stop();
    expect(told.guard).toContainEqual({ kind: "timed-out", of, limitMs: 300 });
    expect(told.guard).toContainEqual({
      kind: "limited",
      of: "source:guarded",
      amount: expect.any(Number),
      waitedMs: expect.any(Number),
    });
  });

  it("follows a traceparent from its event to its row, and to what is derived from it", async () => {
    const bench = new Workbench();
    const { telemetry, told } = recordedTelemetry();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const derived = defineStream("derived", { events: [thingHappened], partitions: 1 });
    const emitting = pipeline("emitting")
      .from(stream)
      .emit(derived, ({ data }) => thingHappened(data));
    const behind = pipeline("behind").from(derived).to(clickhouse(table), thingRow);
    await bench.store(partition, [thing(1), { ...thing(2), traceparent }, thing(3)]);
    const worker = bench.start([copy, emitting, behind], { telemetry });
    for (const one of [copy, emitting, behind]) await bench.drained(one);
    await worker.stop();
    expect(told.traced.map(({ pipeline: name, destination, traceparent: one }) => [name, destination, one]).sort()).toEqual([
      ["behind", "to", traceparent],
      ["copy", "to", traceparent],
      ["emitting", "to", traceparent],
    ]);
  });

  it("that throws or rejects changes nothing where it is shielded, and is told once for each member", async () => {
    const bench = new Workbench();
    const { logger, lines } = logBook();
    const telemetry: Telemetry = {
      read: () => {
        throw new Error("no room");
      },
      committed: (async () => Promise.reject(new Error("away"))) as unknown as () => void,
    };
    await bench.send(stream.plan, some(9));
    const worker = bench.start([copy], { telemetry: shielded(telemetry, logger), logger });
    expect(await bench.drained(copy)).toMatchObject({ delivered: 9, balanced: true });
    await worker.stop();
    expect(lines.filter((line) => line.includes("telemetry has failed"))).toHaveLength(2);
  });
});
