import type { Envelope } from "../bus/envelope.ts";
import type { DeadLetter } from "../bus/port.ts";
import { ConfigError } from "../core/errors.ts";
import { getOrMake } from "../core/get-or-make.ts";
import type { App } from "../dsl/app.ts";
import type { KeptState } from "../dsl/state.ts";
import type { DraftFor, Stream } from "../dsl/stream.ts";
import { type Audit, audit } from "../engine/audit.ts";
import type { ActivityDeps, KeepLogs, KeptOf } from "../host/index.ts";
import type { OwnSinkPlan } from "../plan/plan.ts";
import { createMemorySink, type MemorySink } from "../sinks/memory.ts";
import type { Sink } from "../sinks/port.ts";
import { findKept } from "../state/kept.ts";
import { type ArchivedSeen, createMemoryArchive } from "./archive/memory-archive.ts";
import type { Death } from "./crashing-bus.ts";
import type { StandIns } from "./memory-deps.ts";
import type { RunOrder, WorkflowRun } from "./temporal/run.ts";
import { MemorySchedule, type ScheduleHandle, type ScheduleSeen } from "./temporal/schedule.ts";
import { seen, type WorkflowSeen } from "./temporal/seen.ts";
import type { MemoryTemporal } from "./temporal/server.ts";
import { TestLog } from "./test-log.ts";
import { TestWorker } from "./test-worker.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { createWorkflowSink } from "./workflow-sink.ts";

/** How an application is tested. */
export interface AppTestOptions {
  /** What `workflows/index.ts` exports: `import * as workflows from …`. @default none: pipelines start none */
  readonly workflows?: Readonly<Record<string, unknown>>;
  /** What workflows call, made of deps in memory: `createActivities`, whole or with stand-ins beside it. @default none */
  readonly activities?: (deps: ActivityDeps) => Readonly<Record<string, (...args: never[]) => unknown>>;
  /** What participants answer, by participant and verb. What is left out answers nothing; throw a `Refusal` to refuse. @default they answer nothing */
  readonly participants?: StandIns;
  /** For how long the activity `cleanLogs` keeps dead letters and archives. @default dead letters for 30 days, archives for ever */
  readonly keep?: KeepLogs;
  /** What the clock shows at first. @default now */
  readonly now?: Date;
}

/** What an application made of everything that was sent so far. */
export interface AppRun {
  /** The rows of each table, as they are there: one a sorting key where the table replaces. */
  readonly tables: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
  /** All events of each stream: sent, derived and announced. */
  readonly streams: Readonly<Record<string, readonly Envelope[]>>;
  /** By workflow id, in the order in which they were started. */
  readonly workflows: Readonly<Record<string, WorkflowSeen>>;
  /** By name: those that the application declares. */
  readonly schedules: Readonly<Record<string, ScheduleSeen>>;
  /** What the archive holds, by table, day and generation. */
  readonly archived: readonly ArchivedSeen[];
  /** Of all streams that pipelines read. */
  readonly deadLetters: readonly DeadLetter[];
  /** By pipeline. */
  readonly audits: Readonly<Record<string, Audit>>;
}

/** A workflow that runs in a test. */
export interface WorkflowHandle {
  /** Asks it to end, as the Temporal UI does. */
  cancel(): Promise<void>;
  /** Sends it a signal. */
  signal(name: string, ...args: readonly unknown[]): Promise<void>;
  /** Resolves with what its handler returns. Rejects where it or its validator throws. */
  update(name: string, ...args: readonly unknown[]): Promise<unknown>;
  /** Asks it something. @throws ReferenceError where it answers no query of that name */
  query(name: string, ...args: readonly unknown[]): unknown;
}

/** An application that is tested. */
export interface AppTest {
  /**
   * Stores events on a stream of the application. Without an id, each is a new event; with the id of an earlier one it is sent again. The
   * events of one call to one partition are one frame, and are read together. `traceparent` goes with it, as that of a producer.
   */
  send<E>(
    events: readonly (DraftFor<E> & { readonly id?: string; readonly traceparent?: string })[],
    to: Stream<E>,
  ): Promise<void>;
  /** Stores an entry as it is on an adopted stream, as another program's XADD does. */
  add(fields: Readonly<Record<string, string | Buffer>>, to: Stream<unknown>): void;
  /**
   * Runs pipelines and workflows until nothing goes on: all events are settled, and workflows have ended, wait for time to pass, or try
   * an activity again that has failed for some seconds.
   * @throws what the code of a workflow has thrown; ConfigError where a workflow that has ended decides otherwise when it is replayed
   */
  run(): Promise<AppRun>;
  /** Lets time pass, and runs all before and after it. */
  advance(ms: number): Promise<AppRun>;
  /** The worker of the pipelines dies at a call of the bus during the next run, and another takes its place. */
  crash(at: Death): void;
  /** What a fold keeps of a key. */
  stateOf<State>(state: KeptState<State>, key: string): Promise<KeptOf<State> | undefined>;
  /** A schedule of the application, to be moved by hand. @throws ConfigError where there is none, or its workflow is not given */
  schedule(name: string): ScheduleHandle;
  /** Starts a workflow by hand, as an operator does. @throws ConfigError where one of that id is there */
  start<Input>(
    workflow: (input: Input) => Promise<unknown>,
    options: { readonly workflowId: string; readonly input: Input },
  ): Promise<void>;
  /** One that was started, by its id. @throws ConfigError where there is none */
  workflow(workflowId: string): WorkflowHandle;
}

/**
 * Runs an application in memory: its pipelines over their streams with the engine of production, and the workflows that they and its
 * schedules start on Temporal's own runtime, all of them on one virtual clock. Every workflow that ends is replayed. No service is
 * needed, and none is opened. A schedule fires where its workflow is among `workflows`.
 *
 * @throws ConfigError from the methods of what it returns, each of which says when
 * @example
 * ```ts
 * declare const workflows: Record<string, () => Promise<void>>;
 * const test = testApp(app, { workflows, activities: createActivities });
 * await test.send([loginFailed({ userId: "ada", ip: "203.0.113.7" })], logins);
 * const { tables, streams } = await test.run();
 * const { schedules } = await test.advance(days(1)); // whatever is due once a day has run
 * ```
 */
export function testApp({ plan: app }: App, options: AppTestOptions = {}): AppTest {
  const clock = new VirtualClock(options.now?.getTime() ?? Date.now());
  const log = new TestLog(clock);
  const tables = new Map<string, MemorySink>();
  const archive = createMemoryArchive(app.archives, { clock, tables });
  const workflows = Object.fromEntries(
    Object.entries(options.workflows ?? {}).filter(([, one]) => typeof one === "function"),
  ) as Readonly<Record<string, (...args: never[]) => Promise<unknown>>>;
  let server: MemoryTemporal | undefined;
  const replayed = new Set<WorkflowRun>();

  // Temporal's runtime is loaded for applications that start workflows.
  const opening = async (): Promise<MemoryTemporal> => {
    const [{ MemoryTemporal }, { memoryDeps }] = await Promise.all([import("./temporal/server.ts"), import("./memory-deps.ts")]);
    const { participants = {}, keep = {} } = options;
    const deps = memoryDeps({ app, log, clock, participants, keep, archive: app.archives.length > 0 ? archive.deps : undefined });
    server ??= new MemoryTemporal({ clock, workflows, activities: options.activities?.(deps) ?? {} });
    return server;
  };
  let opened: Promise<MemoryTemporal> | undefined;
  // Loading takes time of ours, in which that of the test stands still.
  const temporal = () => {
    if (opened) return opened;
    const release = clock.hold();
    opened = opening().finally(release);
    return opened;
  };
  const sinks = new Map<OwnSinkPlan, Sink>();
  const sinkFor = (plan: OwnSinkPlan): Sink => {
    if (plan.kind === "temporal") return getOrMake(sinks, plan, () => createWorkflowSink(plan, { temporal, clock }));
    return getOrMake(tables, plan.table.name, () => createMemorySink({ clock, table: plan.table }));
  };
  const worker = new TestWorker({ pipelines: app.pipelines, clock, log, sinkFor, isResting: () => server?.isResting ?? true });
  let trouble: { readonly error: unknown } | undefined;
  const startDue = async (order: RunOrder): Promise<WorkflowRun | undefined> => {
    try {
      return (await temporal()).start(order, { reuse: "closed" });
    } catch (error) {
      // Nobody waits for what a schedule starts: the next run tells.
      trouble ??= { error };
      return undefined;
    }
  };
  const schedules = new Map(
    app.schedules.map((plan) => {
      const world = { clock, start: startDue, hasWorkflow: workflows[plan.workflow] !== undefined };
      return [plan.name, new MemorySchedule(plan, world)] as const;
    }),
  );
  const found = (workflowId: string): WorkflowRun => {
    const run = server?.find(workflowId);
    if (run) return run;
    throw new ConfigError("usage", `no workflow '${workflowId}' was started`, {
      hint: `There are ${server?.runs.map(({ order }) => order.workflowId).join(", ") || "none"}.`,
    });
  };

  async function run(): Promise<AppRun> {
    await worker.run();
    if (trouble) throw trouble.error;
    const runs = server?.runs ?? [];
    for (const one of runs) await checkReplay(one);
    const audits = await Promise.all(app.pipelines.map(async (one) => [one.name, await audit(one, log.bus)] as const));
    return {
      tables: Object.fromEntries(app.tables.flatMap(({ name }) => rowsOf(name))),
      streams: Object.fromEntries(app.streams.map((stream) => [stream.name, log.eventsOf(stream)])),
      workflows: Object.fromEntries(runs.map((one) => [one.order.workflowId, seen(one)])),
      schedules: Object.fromEntries([...schedules].map(([name, one]) => [name, one.seen])),
      archived: await archive.archived(),
      deadLetters: await worker.deadLetters(),
      audits: Object.fromEntries(audits),
    };
  }
  const rowsOf = (name: string) => {
    const sink = tables.get(name);
    return sink ? [[name, sink.rows] as const] : [];
  };
  /** Once, when it has ended. */
  async function checkReplay(one: WorkflowRun): Promise<void> {
    if (one.end?.kind === "broken") throw one.end.error;
    if (!one.end || replayed.has(one)) return;
    replayed.add(one);
    const odd = await one.replay();
    if (odd === undefined) return;
    throw new ConfigError("usage", `workflow '${one.order.workflowId}' is not deterministic: ${odd}`, {
      hint: "A workflow decides by its input and by what its activities answer alone.",
    });
  }

  return {
    send: (events, { plan }) => log.send(plan, events),
    add: (fields, { plan }) => log.add(plan, fields),
    run,
    async advance(ms) {
      await run();
      const end = clock.monotonic() + ms;
      // Workflows wake on the way, and what they tell is taken at once.
      while (await clock.advanceToNext(end)) if (!(await worker.isSettled())) await worker.run();
      await clock.advance(Math.max(0, end - clock.monotonic()));
      return run();
    },
    crash: (at) => worker.crash(at),
    stateOf: (state, key) => findKept(app.pipelines, { state: state.plan, key, bus: log.bus }) as never,
    schedule: (name) => {
      const one = schedules.get(name);
      if (one && one.seen.status !== "no workflow") return one;
      throw new ConfigError(
        "usage",
        one ? `the test has no workflow for the schedule '${name}'` : `there is no schedule '${name}'`,
        {
          hint: one
            ? `Give it in 'workflows': ${app.schedules.find((plan) => plan.name === name)?.workflow}.`
            : `There are ${[...schedules.keys()].join(", ") || "none"}.`,
        },
      );
    },
    async start(workflow, { workflowId, input }) {
      const started = (await temporal()).start(
        { type: workflow.name, workflowId, taskQueue: "test", args: [input] },
        { reuse: "closed" },
      );
      if (!started)
        throw new ConfigError("usage", `workflow '${workflowId}' runs already`, { hint: "Give it an id of its own." });
    },
    workflow: (workflowId) => ({
      cancel: async () => found(workflowId).cancel(),
      signal: async (name, ...args) => found(workflowId).signal(name, args),
      update: (name, ...args) => clock.settle(found(workflowId).update(name, args)),
      query: (name, ...args) => found(workflowId).query(name, args),
    }),
  };
}
