import { partitionsOf } from "../bus/partition.ts";
import type { DeadLetter } from "../bus/port.ts";
import { ConfigError } from "../core/errors.ts";
import { getOrMake } from "../core/get-or-make.ts";
import type { Pipeline } from "../dsl/pipeline.ts";
import type { Stream } from "../dsl/stream.ts";
import { type Audit, audit } from "../engine/audit.ts";
import { type OwnSinkPlan, type SinkPlan, type StreamPlan, sinksOf } from "../plan/plan.ts";
import { createMemorySink, type MemorySink } from "../sinks/memory.ts";
import { findStates, type StateFound } from "../state/find-states.ts";
import type { Death } from "./crashing-bus.ts";
import type { Reorder } from "./reordered.ts";
import { type TestEvent, TestLog } from "./test-log.ts";
import { TestWorker } from "./test-worker.ts";
import { VirtualClock } from "./virtual-clock.ts";

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
  /** Lets time pass, and runs the pipeline before and after it: timers fire, and windows close where nothing comes any more. */
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
  const log = new TestLog(clock);
  const sinks = new Map<OwnSinkPlan, MemorySink>();
  const sinkFor = (plan: OwnSinkPlan): MemorySink =>
    getOrMake(sinks, plan, () => createMemorySink({ clock, ...(plan.kind === "clickhouse" && { table: plan.table }) }));
  const worker = new TestWorker({ pipelines: [pipeline], clock, log, sinkFor });

  /** What a destination was given: streams hold derived events, which say where they come from. */
  const rowsOf = (plan: SinkPlan) =>
    plan.kind === "stream"
      ? log.eventsOf(plan.stream).flatMap((envelope) => (envelope.source === pipeline.name ? [{ ...envelope }] : []))
      : sinkFor(plan).rows;
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

  async function run(): Promise<PipelineRun> {
    await worker.run();
    const rows = Object.fromEntries(Object.entries(sinksOf(pipeline)).map(([name, plan]) => [name, rowsOf(plan)]));
    return { rows, deadLetters: await worker.deadLetters(), audit: await audit(pipeline, log.bus) };
  }

  return {
    send: async (events, to) => log.send(source(to), events),
    add: (fields, to) => log.add(source(to), fields),
    reorder: (how) => log.reorder(how),
    redeliver: () => log.redeliver(pipeline.sources.flatMap(partitionsOf)),
    run,
    async advance(ms) {
      await run();
      await clock.advance(ms);
      return await run();
    },
    crash: (at) => worker.crash(at),
    state: (key) => findStates(pipeline, key, log.bus),
  };
}
