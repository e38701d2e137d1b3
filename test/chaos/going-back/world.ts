import { setTimeout as sleep } from "node:timers/promises";
import { EntryFields } from "../../../src/bus/fields.ts";
import { type Partition, partitionsOf } from "../../../src/bus/partition.ts";
import type { Bus } from "../../../src/bus/port.ts";
import { Producer } from "../../../src/bus/producer.ts";
import { openRedisBus } from "../../../src/bus/redis/bus.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { uuidOf } from "../../../src/core/hash.ts";
import { type Logger, silentLogger } from "../../../src/core/log.ts";
import { runWorker } from "../../../src/engine/worker.ts";
import type { OwnSinkPlan } from "../../../src/plan/plan.ts";
import { createMemorySink, type MemorySink } from "../../../src/sinks/memory.ts";
import type { Random } from "../../demo/random.ts";
import { decodeAll } from "../../support/decode-all.ts";
import { undisturbedClock } from "../undisturbed.ts";
import { counted, numbers, pipelines, seenNumbers, startsSaga } from "./pipelines/index.ts";
import { difference, eventsIn, numberOf, type Recount, recount } from "./recount.ts";
import type { Rolling } from "./rolling.ts";
import type { Sagas } from "./sagas.ts";

const keys = 24;
const standsStillMs = 30_000;
const aheadWithinMs = 30_000;

export interface World {
  readonly bus: Bus;
  /** Sends numbers at this rate, some of them twice, until the work is done, and until all of it is acknowledged. */
  during(perSecond: number, work: () => Promise<void>): Promise<void>;
  /** Waits until everything is settled and a recount agrees; what does not hold is in the recount. */
  settled(): Promise<Recount>;
  /**
   * Resolves when the naive consumer has read of each of these logs, or of all, a number with a saga that is sent after this call: a
   * copy or a replica of now does not hold it, so that the consumer is wrong where one of these logs goes back to it.
   */
  ahead(logs?: readonly string[]): Promise<void>;
  /** What a naive consumer has counted, against the log as it is; `sagas`: of the numbers that have one, each of which it starts as it comes. */
  naive(): Promise<Wrong & { readonly sagas: Wrong }>;
  /** What workers and producers have said of things that are gone. */
  readonly said: readonly string[];
  close(): Promise<void>;
}

interface Wrong {
  readonly missing: number;
  readonly extra: number;
}

export interface WorldOptions {
  readonly url: string;
  readonly random: Random;
  readonly sagas: Sagas;
  readonly rolling: Rolling;
}

const workers = 2;

/** Live workers, a producer, sagas, and a consumer that everyone has written once, on one Redis or a cluster. */
export async function openWorld({ url, random, sagas, rolling }: WorldOptions): Promise<World> {
  const said: string[] = [];
  const say = (fields: object, text: string) => void said.push(`${text} ${JSON.stringify(fields)}`);
  const logger: Logger = { ...silentLogger, error: say };
  const buses: Bus[] = [];
  const open = async () => {
    const bus = await openRedisBus({ url, logger: silentLogger });
    buses.push(bus);
    return bus;
  };
  const bus = await open();
  const stop = new AbortController();
  const sinks = new Map<string, MemorySink>();
  const sinkFor = (name: string) => {
    const sink = sinks.get(name) ?? createMemorySink();
    sinks.set(name, sink);
    return sink;
  };
  const failures: unknown[] = [];
  const running: Promise<void>[] = [];
  for (let i = 0; i < workers; i++) {
    const member = await rolling.join(url, { ...logger, warn: say });
    const sinkOf = (plan: OwnSinkPlan) => {
      if (plan.kind === "temporal") return sagas.sinkFor(plan);
      return plan.table.name === seenNumbers.plan.name ? member.sinkFor(plan) : sinkFor(plan.table.name);
    };
    const options = { instance: `worker-${i}`, pipelines: pipelines.map(({ plan }) => plan), leaseTtlMs: 4_000 };
    const deps = { bus: await open(), clock: systemClock, logger, sinkFor: sinkOf };
    const done = runWorker(options, deps, stop.signal).catch((error) => void failures.push(error));
    running.push(done.then(() => member.close()));
  }
  const producer = new Producer(
    { stream: numbers.plan, producer: "numbers", lingerMs: 5 },
    { bus: await open(), clock: systemClock, logger },
  );
  const consumer = await openNaive(url, stop.signal);
  const acknowledged = new Map<number, number>();
  let next = 0;

  const send = async (n: number) => {
    const key = `key-${n % keys}`;
    const data = counted({ key, n }).data;
    const envelope = {
      id: uuidOf(`number ${n}`),
      type: "number.counted",
      time: timeOf(n),
      source: undefined,
      traceparent: undefined,
      data,
    };
    const { stored } = await producer.send(envelope);
    stored.then(
      () => acknowledged.set(n, (acknowledged.get(n) ?? 0) + 1),
      () => {},
    );
  };
  const times = new Map<number, number>();
  const timeOf = (n: number) => {
    const time = times.get(n) ?? Date.now();
    times.set(n, time);
    return time;
  };

  return {
    bus,
    said,
    async during(perSecond, work) {
      let isOver = false;
      const working = work().finally(() => {
        isOver = true;
      });
      // It is awaited at last: until then a failure must not count as unhandled.
      working.catch(() => {});
      for (const since = performance.now(), first = next; !isOver; ) {
        const due = first + ((performance.now() - since) * perSecond) / 1_000;
        for (; next < due && !isOver; next++) {
          await send(next);
          if (random.chance(0.05)) await send(Math.max(0, next - random.int(0, 20)));
        }
        await sleep(10);
      }
      await working;
      await producer.flush();
    },
    async settled() {
      let last: Recount | undefined;
      let said = "";
      for (let spent = undisturbedClock(); ; await sleep(250)) {
        const left = await unsettled(bus).catch((error) => String(error));
        last = await Promise.all([sagas.runs(), rolling.look()])
          .then(([runs, rolledUp]) => recount(bus, acknowledged, { runs, rolledUp }))
          .catch(() => last);
        const faults = [...(last?.faults ?? ["nothing could be counted"]), ...(left ? [left] : []), ...failures.map(String)];
        // A slow machine takes longer, and is not wrong as long as something goes on.
        if (String(faults) !== said) [said, spent] = [String(faults), undisturbedClock()];
        if (faults.length === 0 || spent() > standsStillMs) return { ...(last as Recount), faults };
      }
    },
    async ahead(logs = [...consumer.seen.keys()]) {
      const from = next;
      const isBehind = (log: string) => !consumer.seen.get(log)?.some((n) => n >= from && startsSaga(n));
      for (const spent = undisturbedClock(); logs.some(isBehind); await sleep(20)) {
        if (spent() > aheadWithinMs) throw new Error(`the naive consumer reads nothing new of ${logs.filter(isBehind)}`);
      }
    },
    async naive() {
      const seen = [...consumer.seen.values()].flat();
      const log = (await eventsIn(bus, numbers.plan)).map(numberOf);
      return { ...wrongOf(seen, log), sagas: wrongOf(seen.filter(startsSaga), log.filter(startsSaga)) };
    },
    async close() {
      stop.abort();
      await Promise.all(running);
      await producer.close().catch(() => {});
      await consumer.done;
      await Promise.all(buses.map((one) => one.close()));
    },
  };
}

function wrongOf(actual: readonly number[], expected: readonly number[]): Wrong {
  const { missing, extra } = difference(actual, expected);
  return { missing: missing.length, extra: extra.length };
}

/** What is not settled yet, in words; empty when all is. */
async function unsettled(bus: Bus): Promise<string> {
  for (const { plan } of pipelines) {
    for (const partition of plan.sources.flatMap(partitionsOf)) {
      const { pendingEntries, lagEntries } = await bus.state(partition, plan.name);
      if (pendingEntries + lagEntries > 0)
        return `${plan.name} on ${partition.name}: ${pendingEntries} pending, ${lagEntries} unread`;
      const left = await bus.outbox(partition, plan.name, { count: 1 });
      if (left.length > 0) return `${plan.name} on ${partition.name}: derived frames are on their way`;
    }
  }
  return "";
}

/**
 * Reads what is new, keeps it in memory, acknowledges. It is as careful as to acknowledge last, and never asks what Redis has forgotten.
 */
async function openNaive(url: string, stop: AbortSignal) {
  const bus = await openRedisBus({ url, logger: silentLogger });
  const seen = new Map(partitionsOf(numbers.plan).map(({ log }) => [log, [] as number[]]));
  const nothing = { number: 1, reads: 0, counts: {}, deadLetters: [], keyed: undefined, derived: [], checkpoint: undefined };

  async function read(partition: Partition): Promise<void> {
    while (!stop.aborted) {
      try {
        const acquired = await bus.acquire(partition, "naive", { owner: "naive", ttlMs: 60_000 });
        if (acquired.kind !== "owned") throw new Error("taken");
        const fence = { partition, pipeline: "naive", owner: "naive", epoch: acquired.epoch, tenure: acquired.tenure };
        const result = await bus.read(fence, { from: "new", after: "0-0", count: 500 });
        if (result.kind !== "entries") continue;
        for (const { fields } of result.entries)
          if (fields) seen.get(partition.log)?.push(...decodeAll(new EntryFields(fields)).map(numberOf));
        const entries = result.entries.map(({ id }) => id);
        if (entries.length > 0) await bus.commit(fence, { ...nothing, entries });
        else await sleep(10);
      } catch {
        await sleep(20);
      }
    }
  }
  const done = Promise.all(partitionsOf(numbers.plan).map(read)).then(() => bus.close());
  return { seen, done };
}
