/**
 * Temporal's own workflow runtime, in this process: what runs in the sandbox of a worker decides here too, and tells its decisions as
 * commands. Its "activator" is one at a time and global, as the time and chance of workflows are: they are there for as long as a workflow
 * runs between two awaits of something outside, and taken away again.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  defaultPayloadConverter,
  defineSearchAttributeKey,
  type Headers,
  TypedSearchAttributes,
  toPayloads,
} from "@temporalio/common";
import { encodeUnifiedSearchAttributes } from "@temporalio/common/lib/converter/payload-search-attributes.js";
import type { WorkflowInfo } from "@temporalio/workflow";
import { AsyncLocalStorage as ScopeStorage } from "@temporalio/workflow/lib/cancellation-scope.js";
import { Activator } from "@temporalio/workflow/lib/internals.js";
import { AsyncLocalStorage as UpdateStorage } from "@temporalio/workflow/lib/update-scope.js";
import { activate, concludeActivation, initialize, tryUnblockConditions } from "@temporalio/workflow/lib/worker-interface.js";
import { interceptors } from "../../trace/workflow.ts";

export type Workflow = (...args: never[]) => Promise<unknown>;
type Activation = Parameters<typeof activate>[0];
export type Job = NonNullable<Activation["jobs"]>[number];
export type Command = NonNullable<NonNullable<ReturnType<typeof concludeActivation>["successful"]>["commands"]>[number];

/** What happened to a workflow at one time, and what it decided. */
interface HistoryStep {
  readonly at: number;
  readonly jobs: readonly Job[];
  readonly commands: readonly Command[];
}

export interface RuntimeOptions {
  readonly workflow: Workflow;
  readonly type: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly taskQueue: string;
  readonly args: readonly unknown[];
  /** Which schedule has started it, and when it was due. */
  readonly schedule: { readonly name: string; readonly at: Date } | undefined;
  /** Those of the call that starts it. */
  readonly headers: Headers;
  /** By the virtual clock, milliseconds since the epoch. */
  readonly now: number;
}

/** One run of a workflow. */
export class WorkflowRuntime {
  readonly #options: RuntimeOptions;
  readonly #activator: Activator;
  readonly #history: HistoryStep[] = [];
  /** How this version of the runtime decides where older ones did otherwise: a history carries it. */
  #flags: readonly number[] = [];

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#activator = openActivator(options);
  }

  /** What the workflow has told of itself. */
  get info(): Readonly<WorkflowInfo> {
    return this.#activator.info;
  }

  /** What the workflow decides on what has happened. @throws what its own code has thrown: a mistake, not a failure */
  async decide(at: number, jobs: readonly Job[]): Promise<readonly Command[]> {
    const all = this.#history.length === 0 ? [begin(this.#options), ...jobs] : jobs;
    const { commands, flags } = await decide(this.#activator, at, all);
    this.#history.push({ at, jobs: all, commands });
    this.#flags = flags;
    return commands;
  }

  answers(name: string): boolean {
    return this.#activator.queryHandlers.has(name);
  }

  /** Answers a query, as the workflow is now. */
  query(name: string, args: readonly unknown[] = []): unknown {
    const handler = this.#activator.queryHandlers.get(name)?.handler as ((...args: readonly unknown[]) => unknown) | undefined;
    if (!handler) throw new ReferenceError(`the workflow '${this.#options.type}' answers no query '${name}'`);
    return within(this.#activator, () => handler(...args));
  }

  /**
   * Tells its story to a second run, as a worker does that takes a workflow over.
   * @returns what is decided otherwise, or undefined where all is the same
   */
  async replay(): Promise<string | undefined> {
    const again = openActivator(this.#options);
    again.mutateWorkflowInfo((info) => ({
      ...info,
      unsafe: { ...info.unsafe, isReplaying: true, isReplayingHistoryEvents: true },
    }));
    again.addKnownFlags([...this.#flags]);
    const patches = this.#history
      .flatMap(({ commands }) => commands)
      .flatMap(({ setPatchMarker }) => (setPatchMarker?.patchId ? [setPatchMarker.patchId] : []));
    for (const patchId of patches) again.notifyHasPatch({ patchId });
    for (const { at, jobs, commands } of this.#history) {
      const [before, now] = [commands, (await decide(again, at, jobs)).commands].map((one) => one.filter(isDecision).map(textOf));
      const i = before?.findIndex((text, place) => text !== now?.[place]) ?? -1;
      if (i >= 0) return `it decided ${before?.[i]}, and does ${now?.[i] ?? "nothing"} when it is replayed`;
      if ((now?.length ?? 0) > (before?.length ?? 0)) return `it does ${now?.[before?.length ?? 0]} only when it is replayed`;
    }
    return undefined;
  }
}

const isDecision = ({ respondToQuery }: Command): boolean => respondToQuery == null;
/** Without what is for people, and where in the code a failure came from. */
const textOf = ({ userMetadata: _, eventGroupMarkers: __, ...decision }: Command): string =>
  JSON.stringify(decision, (name, value) => {
    if (name === "stackTrace") return undefined;
    return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : value;
  });

const begin = ({ workflowId, type, args, schedule, headers }: RuntimeOptions): Job => ({
  variant: "initializeWorkflow",
  initializeWorkflow: {
    workflowId,
    workflowType: type,
    arguments: toPayloads(defaultPayloadConverter, ...args) ?? [],
    headers,
    ...(schedule && { searchAttributes: { indexedFields: scheduledBy(schedule) } }),
  },
});

/** What a server notes of a run that a schedule has started. */
const scheduledBy = ({ name, at }: NonNullable<RuntimeOptions["schedule"]>) =>
  encodeUnifiedSearchAttributes(undefined, [
    { key: defineSearchAttributeKey("TemporalScheduledById", "KEYWORD"), value: name },
    { key: defineSearchAttributeKey("TemporalScheduledStartTime", "DATETIME"), value: at },
  ]);

function openActivator({ workflow, type, workflowId, runId, taskQueue, now }: RuntimeOptions): Activator {
  const start = new Date(now);
  const info: WorkflowInfo = {
    ...{
      workflowId,
      runId,
      originalExecutionRunId: runId,
      firstExecutionRunId: runId,
      workflowType: type,
      taskQueue,
      namespace: "default",
    },
    ...{ searchAttributes: {}, typedSearchAttributes: new TypedSearchAttributes(), memo: {}, attempt: 1 },
    ...{ historyLength: 0, historySize: 0, continueAsNewSuggested: false, targetWorkerDeploymentVersionChanged: false },
    ...{ startTime: start, runStartTime: start, taskTimeoutMs: 10_000 },
    unsafe: { isReplaying: false, isReplayingHistoryEvents: false, now: RealDate.now, random: { random: realRandom } as never },
  };
  giveStorage(ScopeStorage);
  giveStorage(UpdateStorage);
  const options = {
    ...{ info, now, showStackTraceSources: false, sourceMap: undefined as never, stackTracesEnabled: false },
    ...{
      getTimeOfDay: () => process.hrtime.bigint(),
      randomnessSeed: [...Buffer.from(runId)],
      registeredActivityNames: new Set<string>(),
    },
  };
  const activator = new Activator(options as ConstructorParameters<typeof Activator>[0]);
  const { inbound = [], outbound = [] } = interceptors();
  activator.interceptors.inbound.push(...inbound);
  activator.interceptors.outbound.push(...outbound);
  activator.workflow = workflow as never;
  return activator;
}

/** In a worker the SDK finds Node's storage in its sandbox; here, where it was loaded without one, its empty class gets what it lacks. */
function giveStorage(Empty: { readonly prototype: object }): void {
  if ("run" in Empty.prototype) return;
  const stores = new WeakMap<object, AsyncLocalStorage<unknown>>();
  Object.assign(Empty.prototype, {
    run(this: object, store: unknown, work: () => unknown) {
      const mine = stores.get(this) ?? new AsyncLocalStorage<unknown>();
      stores.set(this, mine);
      return mine.run(store, work);
    },
    getStore(this: object) {
      return stores.get(this)?.getStore();
    },
    disable() {},
  });
}

/** One after the other: the runtime knows one workflow at a time. */
let turn: Promise<unknown> = Promise.resolve();

interface Decided {
  readonly commands: readonly Command[];
  readonly flags: readonly number[];
}

function decide(activator: Activator, at: number, jobs: readonly Job[]): Promise<Decided> {
  const mine = turn.then(async () => {
    activator.now = at;
    const leave = enter(activator);
    try {
      const first = jobs.find((job) => job.initializeWorkflow != null)?.initializeWorkflow;
      if (first) initialize(first);
      activate({ jobs: [...jobs] });
      do await microtasks();
      while (tryUnblockConditions() > 0);
      const { commands, usedInternalFlags } = concludeActivation().successful ?? {};
      return { commands: commands ?? [], flags: usedInternalFlags ?? [] };
    } finally {
      leave();
    }
  });
  turn = mine.catch(() => {});
  return mine;
}

/** Until every promise that can go on has: Node takes the next tick once no microtask is left. */
const microtasks = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

function within<Result>(activator: Activator, work: () => Result): Result {
  const leave = enter(activator);
  try {
    return work();
  } finally {
    leave();
  }
}

const RealDate = globalThis.Date;
const realRandom = Math.random;
const holder = globalThis as { __TEMPORAL_ACTIVATOR__?: Activator | undefined };

/** From now on the workflow's time and chance are everyone's, until the returned function is called. */
function enter(activator: Activator): () => void {
  const [outer, date, random] = [holder.__TEMPORAL_ACTIVATOR__, globalThis.Date, Math.random];
  holder.__TEMPORAL_ACTIVATOR__ = activator;
  globalThis.Date = dateOf(activator);
  Math.random = () => activator.random();
  return () => {
    holder.__TEMPORAL_ACTIVATOR__ = outer;
    globalThis.Date = date;
    Math.random = random;
  };
}

/** A class of dates whose present is the workflow's. */
const dateOf = (activator: Activator): DateConstructor =>
  new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [activator.now] : args, newTarget),
    apply: (target) => new target(activator.now).toString(),
    get: (target, property) => (property === "now" ? () => activator.now : Reflect.get(target, property)),
  });
