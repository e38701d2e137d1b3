import type { Envelope } from "../bus/envelope.ts";
import { MemoryBus } from "../bus/memory/bus.ts";
import { partitionsOf } from "../bus/partition.ts";
import type { DeadLetter } from "../bus/port.ts";
import { Producer } from "../bus/producer.ts";
import { ConfigError } from "../core/errors.ts";
import { eventId, uuidOf } from "../core/hash.ts";
import { silentLogger } from "../core/log.ts";
import { nth } from "../core/nth.ts";
import type { EventDraft } from "../dsl/event.ts";
import type { Pipeline } from "../dsl/pipeline.ts";
import type { Stream } from "../dsl/stream.ts";
import { type Audit, audit } from "../engine/audit.ts";
import { openEntry } from "../engine/process/open-entry.ts";
import { runWorker } from "../engine/worker.ts";
import { createLimits } from "../limit/limits.ts";
import { createMemoryBuckets } from "../limit/memory.ts";
import { type OwnSinkPlan, type SinkPlan, type StreamPlan, sinksOf } from "../plan/plan.ts";
import { createMemorySink, type MemorySink } from "../sinks/memory.ts";
import { findStates, type StateFound } from "../state/find-states.ts";
import { type Death, MortalBus } from "./mortal-bus.ts";
import { type Reorder, reordered } from "./reordered.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Few, so that a test's handful of events meets what thousands do elsewhere. */
const portionEvents = 4;

/** How a test of a pipeline begins. */
export interface TestOptions {
  /** What the clock shows at first: events without a time get it, and times are admitted by it. @default now */
  readonly now?: Date;
}

/** What a pipeline made of everything that was sent so far. */
export interface PipelineRun {
  /** By destination (`to` where the pipeline has one sink): rows, workflow inputs, or derived events. */
  readonly rows: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
  /** What was set aside, with its reasons. */
  readonly deadLetters: readonly DeadLetter[];
  /** The ledger: each event that was read has one outcome. */
  readonly audit: Audit;
}

/** An event to send: a draft, and its id where it is to come again. */
export type TestEvent = EventDraft<string, unknown> & {
  /** @default a new one each time */
  readonly id?: string;
};

/** A pipeline in memory, with what it reads and what it writes. */
export interface PipelineTest {
  /**
   * Stores events on a stream that the pipeline reads; on the only one, where none is named. Without an id, each is a new event; with the
   * id of an earlier one it is sent again. The events of one call to one partition are one frame, and are read together.
   */
  send(events: readonly TestEvent[], to?: Stream<unknown>): Promise<void>;
  /** Stores an entry as it is on an adopted stream, as another program's XADD does. */
  add(fields: Readonly<Record<string, string | Buffer>>, to?: Stream<unknown>): void;
  /** Has the events of the next `send` come out of the order of their times, as over many connections or from devices that were offline. */
  reorder(how: Reorder): void;
  /**
   * Stores all that was stored so far once more, entry by entry, as a program does that got no answer: every event comes twice, under
   * its id. An entry of another program that carries no id is a new event each time.
   */
  redeliver(): void;
  /** Runs the pipeline until all of it is settled. */
  run(): Promise<PipelineRun>;
  /** Lets time pass, and runs the pipeline before and after it: timers ring, and windows close where nothing comes any more. */
  advance(ms: number): Promise<PipelineRun>;
  /**
   * The worker dies at a call of the bus during the next run, and another takes its place: what was read and not committed is
   * delivered again. `crash({ call: "commit", when: "before" })` has the sinks written twice.
   */
  crash(at: Death): void;
  /** What the stages keep for a key: a line a stage that keeps something. */
  state(key: string): Promise<readonly StateFound[]>;
}

/**
 * Runs a pipeline in memory and on a virtual clock, with the engine that runs it in production: no service is needed, and none is
 * opened. It works in every test runner, and needs none.
 *
 * @throws ConfigError `usage` by its methods, where a stream is named that the pipeline does not read, or none and it reads several
 * @example
 * ```ts
 * const test = testPipeline(loginAnalytics);
 * await test.send([loginFailed({ userId: "ada", ip: "203.0.113.7" })], logins);
 * const { rows, audit } = await test.run();
 * ```
 */
export function testPipeline({ plan: pipeline }: Pipeline, { now }: TestOptions = {}): PipelineTest {
  const clock = new VirtualClock(now?.getTime() ?? Date.now());
  const bus = new MemoryBus(clock);
  const sinks = new Map<OwnSinkPlan, MemorySink>();
  const producers = new Map<string, Producer>();
  const limitFor = createLimits({ clock, logger: silentLogger, buckets: createMemoryBuckets(clock) });
  const partitions = pipeline.sources.flatMap(partitionsOf);
  let death: Death | undefined;
  let order: Reorder | undefined;
  let sent = 0;

  const sinkFor = (plan: OwnSinkPlan): MemorySink => {
    const sink = sinks.get(plan) ?? createMemorySink({ clock, ...(plan.kind === "clickhouse" && { table: plan.table }) });
    sinks.set(plan, sink);
    return sink;
  };
  /** What a destination was given: streams hold derived events, which say where they come from. */
  const rowsOf = (plan: SinkPlan) => {
    if (plan.kind !== "stream") return sinkFor(plan).rows;
    const entries = partitionsOf(plan.stream).flatMap((partition) =>
      bus.entriesOf(partition).map((entry) => openEntry(partition, { ...entry, deliveries: 1, events: 1 })),
    );
    const envelopes = entries.flatMap((entry) =>
      entry.kind === "opened" ? Array.from({ length: entry.envelopes.length }, (_, i) => entry.envelopes.at(i) as Envelope) : [],
    );
    return envelopes.filter(({ source }) => source === pipeline.name).map((envelope) => ({ ...envelope }));
  };
  const source = (given: Stream<unknown> | undefined): StreamPlan => {
    const found = given ? pipeline.sources.find(({ name }) => name === given.plan.name) : pipeline.sources[0];
    if (found && (given || pipeline.sources.length === 1)) return found;
    throw new ConfigError(
      "usage",
      `pipeline '${pipeline.name}' reads ${pipeline.sources.map(({ name }) => name).join(" and ")}`,
      {
        hint: "Name the stream to send to, one of those that it reads.",
      },
    );
  };
  const isSettled = async () => {
    const states = await Promise.all(partitions.map((partition) => bus.state(partition, pipeline.name)));
    const outboxes = await Promise.all(partitions.map((partition) => bus.outbox(partition, pipeline.name, { count: 1 })));
    return (
      states.every(({ pendingEntries, lagEntries }) => pendingEntries === 0 && lagEntries === 0) &&
      outboxes.every(({ length }) => length === 0)
    );
  };

  /** One worker, until all is settled or it dies. */
  async function work(): Promise<"done" | "died"> {
    const life = new MortalBus(bus, death);
    death = undefined;
    const stop = new AbortController();
    const end = { failed: false };
    const running = runWorker(
      { instance: "test", pipelines: [pipeline], portionEvents },
      { bus: life.bus, clock, logger: silentLogger, sinkFor, limitFor },
      stop.signal,
    );
    running.catch(() => {
      end.failed = true;
    });
    const isResting = async () => end.failed || life.isDead || (life.waiting === partitions.length && (await isSettled()));
    await clock.until(isResting);
    stop.abort();
    await clock.settle(running).catch((error) => {
      if (!life.isDead) throw error;
    });
    return life.isDead ? "died" : "done";
  }

  async function run(): Promise<PipelineRun> {
    while ((await work()) === "died");
    const deadLetters: DeadLetter[] = [];
    for (const partition of partitions) for await (const letter of bus.deadLetters(partition)) deadLetters.push(letter);
    const rows = Object.fromEntries(Object.entries(sinksOf(pipeline)).map(([name, plan]) => [name, rowsOf(plan)]));
    return { rows, deadLetters, audit: await audit(pipeline, bus) };
  }

  return {
    async send(events, to) {
      const stream = source(to);
      const drafts = events.map(({ id, type, data, time }) => ({
        ...{ identity: id === undefined ? uuidOf(`test ${sent++}`) : eventId(id), type, data },
        at: time?.getTime() ?? clock.now(),
      }));
      const inOrder = order ? reordered(drafts, order) : drafts;
      order = undefined;
      for (const { identity, type, data, at } of inOrder) {
        if (stream.layout.kind === "adopted") {
          this.add({ data: JSON.stringify({ id: identity, type, time: new Date(at).toISOString(), data }) }, to);
          continue;
        }
        const producer =
          producers.get(stream.name) ?? new Producer({ stream, producer: "test" }, { bus, clock, logger: silentLogger });
        producers.set(stream.name, producer);
        const { stored } = await producer.send({
          id: identity,
          type,
          time: at,
          source: undefined,
          traceparent: undefined,
          data,
        });
        stored.catch(() => {}); // flush tells
      }
      await Promise.all([...producers.values()].map((producer) => clock.settle(producer.flush())));
    },

    add(fields, to) {
      const stream = source(to);
      const [partition] = partitionsOf(stream);
      if (stream.layout.kind !== "adopted" || !partition) {
        throw new ConfigError("usage", `stream '${stream.name}' is not adopted`, {
          hint: "Use send() for a stream of your own.",
        });
      }
      bus.appendPlain(partition, fields);
    },

    reorder(how) {
      order = how;
    },

    redeliver() {
      for (const partition of partitions) {
        for (const { fields } of bus.entriesOf(partition)) {
          const named = fields.flatMap((name, i) => (i % 2 === 0 ? [[String(name), nth(fields, i + 1)] as const] : []));
          bus.appendPlain(partition, Object.fromEntries(named));
        }
      }
    },

    run,
    async advance(ms) {
      await run();
      await clock.advance(ms);
      return await run();
    },
    crash(at) {
      death = at;
    },
    state: (key) => findStates(pipeline, key, bus),
  };
}
