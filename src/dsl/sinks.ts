import type { SignalDefinition, UpdateDefinition } from "@temporalio/common";
import { seconds } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import type { SearchAttributeType } from "../core/search-attributes.ts";
import type { RetryPlan, SinkGuardsPlan } from "../plan/guards.ts";
import type { BatchPlan, SinkPlan, StreamSinkPlan, WorkflowCallPlan } from "../plan/plan.ts";
import { callback, checkOptions, count, duration, interval, type OptionsShape, oneOf, text } from "./check-options.ts";
import { type ClickHouseGuards, type StreamGuards, sinkGuards, sinkRetry, streamGuards } from "./guards.ts";
import type { TypeHint } from "./hints.ts";
import type { DraftFor, Stream } from "./stream.ts";
import type { Table } from "./table.ts";

/** A destination that takes `Row`s: a descriptor, not a connection. */
export interface SinkRef<in Row> {
  /** The sink as data. */
  readonly plan: SinkPlan;
  /** Carries the type parameter; there is no such value. */
  readonly _row?: (row: Row) => void;
}

const defaultRetry: RetryPlan = { initialMs: 100, maxMs: seconds(30) };
const defaultBatch: BatchPlan = { maxRows: 20_000, maxBytes: 8 * 1024 * 1024, minIntervalMs: 100 };

/** How rows are inserted, whatever the profile. */
export interface InsertOptions extends ClickHouseGuards {
  /** Rows of one insert at most. More means fewer parts and more memory. @default 20000 */
  readonly maxRows?: number;
  /** Size of one insert at most, bytes, estimated. @default 8 MiB */
  readonly maxBytes?: number;
  /** When to give an insert up and repeat it, milliseconds. @default 60000 */
  readonly timeoutMs?: number;
  /** Waiting between tries: `initialMs`, doubled up to `maxMs`, with jitter. @default 100 ms to 30 s */
  readonly retry?: RetryPlan;
}

/** At most so many inserts a second and table: the parts that ClickHouse has to merge stay few. */
export interface ClickHouseOptions extends InsertOptions {
  /** Few and large inserts. @default "default" */
  readonly profile?: "default";
  /** The shortest time between two inserts into the table. In milliseconds: less means fresher answers and more parts to merge. @default 100 */
  readonly minIntervalMs?: number;
}

/** Whatever is there is inserted as soon as no insert of the table is under way: for few rows that are looked at soon. */
export interface LowLatencyOptions extends InsertOptions {
  /** Many small inserts. */
  readonly profile: "low-latency";
  /** In milliseconds elsewhere; it has no meaning here, and its type says why. */
  readonly minIntervalMs?: TypeHint<"The low-latency profile has no minIntervalMs: it inserts as soon as no insert is under way">;
}

const insertOptions: OptionsShape = {
  profile: oneOf("default", "low-latency"),
  maxRows: count,
  maxBytes: count,
  minIntervalMs: interval,
  timeoutMs: duration,
  retry: { of: sinkRetry },
  ...sinkGuards,
};

/**
 * Rows of a ClickHouse table. A row that comes twice is one row, by the table's sorting key.
 *
 * @throws ConfigError `config.invalid` where an option is unknown or out of range
 * @example
 * ```ts
 * const failures = defineTable("failed_logins", { columns: { event_id: c.uuid(), user: c.string() }, orderBy: ["event_id"] });
 * pipeline("failed-logins")
 *   .from(logins)
 *   .to(clickhouse(failures, { minIntervalMs: 500 }), ({ id, data }) => ({ event_id: id, user: data.userId }));
 * ```
 */
export function clickhouse<Row>(table: Table<Row>, options: ClickHouseOptions | LowLatencyOptions = {}): SinkRef<Row> {
  const where = `clickhouse '${table.plan.name}'`;
  checkOptions(where, options, insertOptions);
  const isFast = options.profile === "low-latency";
  if (isFast && options.minIntervalMs !== undefined) {
    throw new ConfigError(
      "config.invalid",
      `${where}: minIntervalMs beside the low-latency profile, which waits for no interval`,
      {
        hint: "Leave one of them out.",
      },
    );
  }
  const { maxRows = defaultBatch.maxRows, maxBytes = defaultBatch.maxBytes } = options;
  const minIntervalMs = isFast ? 0 : (options.minIntervalMs ?? defaultBatch.minIntervalMs);
  return {
    plan: {
      kind: "clickhouse",
      table: table.plan,
      batch: { maxRows, maxBytes, minIntervalMs },
      retry: options.retry ?? defaultRetry,
      timeoutMs: options.timeoutMs ?? seconds(60),
      ...guardsOf(options),
    },
  };
}

/** In the plan only where there are some. */
function guardsOf({ rateLimit, breaker }: SinkGuardsPlan): { readonly guards?: SinkGuardsPlan } {
  if (!(rateLimit || breaker)) return {};
  return { guards: { ...(rateLimit && { rateLimit }), ...(breaker && { breaker }) } };
}

/** How workflows are called. */
export interface WorkflowOptions<in Input> extends SinkGuardsPlan {
  /** Which workflow: the business key. */
  readonly workflowId: (input: Input) => string;
  /** Calls under way at once. @default 64 */
  readonly concurrency?: number;
  /** When to give one call up and repeat it, milliseconds. @default 10000 */
  readonly timeoutMs?: number;
  /** Waiting between tries. @default 100 ms to 30 s */
  readonly retry?: RetryPlan;
}

/** How workflows are started. */
export interface StartWorkflowOptions<in Input> extends WorkflowOptions<Input> {
  /** Where it runs: a saga worker of the application takes every task queue that it names. */
  readonly taskQueue: string;
  /** How long the workflow waits before it begins, milliseconds: Temporal keeps it, and no worker is asked. @default 0 */
  readonly delayMs?: number;
  /**
   * When its start is of no use any more: a row that comes later, in a replay or behind a backlog, starts nothing, and is counted as
   * `stale`. @default never
   */
  readonly notAfter?: (input: Input) => Date;
  /** What operators find it by. `headrace migrate` makes the attributes in Temporal's namespace. @default none */
  readonly searchAttributes?: Readonly<Record<string, SearchAttribute<Input>>>;
  /** A line about it, shown in Temporal's UI beside its id. @default none */
  readonly summary?: (input: Input) => string;
}

/** An attribute's type, and its value for an input; one that is undefined is left out. */
export type SearchAttribute<Input> = {
  readonly [Type in SearchAttributeType]: {
    readonly type: Type;
    readonly value: (input: Input) => SearchAttributeValues[Type] | undefined;
  };
}[SearchAttributeType];

/** What a search attribute holds, by its type. */
export interface SearchAttributeValues {
  /** Found by its words. */
  readonly Text: string;
  /** Found as a whole. */
  readonly Keyword: string;
  /** A whole number. */
  readonly Int: number;
  /** A number. */
  readonly Double: number;
  /** True or false. */
  readonly Bool: boolean;
  /** A moment. */
  readonly Datetime: Date;
  /** Found by each of its texts. */
  readonly KeywordList: readonly string[];
}

const searchAttribute: OptionsShape = {
  type: oneOf("Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList"),
  value: callback,
};

const workflowOptions: OptionsShape = {
  workflowId: callback,
  concurrency: count,
  timeoutMs: duration,
  retry: { of: sinkRetry },
  ...sinkGuards,
};

/**
 * Starts a Temporal workflow for each row, once for each workflow id, however often the event comes.
 *
 * @throws ConfigError `config.invalid` where an option is unknown or out of range, or the workflow has no name
 * @example
 * ```ts
 * async function welcome(input: { readonly user: string }): Promise<void> {}
 * const starts = startWorkflow(welcome, { taskQueue: "welcomes", workflowId: ({ user }) => `welcome-${user}` });
 * ```
 */
export function startWorkflow<Input>(
  workflow: (input: Input) => Promise<unknown>,
  options: StartWorkflowOptions<NoInfer<Input>>,
): SinkRef<Input> {
  if (!workflow.name) {
    throw new ConfigError("config.invalid", "startWorkflow: the workflow has no name", {
      hint: "Pass an exported function; its name must be the name of the export.",
    });
  }
  const { name } = workflow;
  const attributes = Object.keys(options.searchAttributes ?? {});
  checkOptions(`startWorkflow '${name}'`, options, {
    ...workflowOptions,
    taskQueue: text,
    delayMs: duration,
    notAfter: callback,
    searchAttributes: { of: Object.fromEntries(attributes.map((attribute) => [attribute, { of: searchAttribute }])) },
    summary: callback,
  });
  const { taskQueue, delayMs, notAfter, searchAttributes, summary } = options;
  const more = {
    ...(delayMs !== undefined && { delayMs }),
    ...(notAfter && { notAfter }),
    ...(searchAttributes && { searchAttributes }),
    ...(summary && { summary }),
  };
  return workflowSink({ kind: "start", workflow: name, taskQueue, ...more }, options);
}

/** What a row must carry that goes to a running workflow: the event may come again, and the workflow is to take it once. */
export interface OfEvent {
  /** The id of the event that the row comes from. */
  readonly eventId: string;
}

/**
 * Signals a workflow with each row. It may get a row twice, and tells by its `eventId` (`seenBefore` of `headrace/saga`). A row for a
 * workflow that does not run becomes a dead letter.
 *
 * @throws ConfigError `config.invalid` where an option is unknown or out of range
 * @example
 * ```ts
 * import { defineSignal } from "@temporalio/workflow";
 * const seen = defineSignal<[{ readonly eventId: string; readonly user: string }]>("seen");
 * const signals = signalWorkflow(seen, { workflowId: ({ user }) => `watch-${user}` });
 * ```
 */
export function signalWorkflow<Row extends OfEvent>(
  signal: SignalDefinition<[Row]>,
  options: WorkflowOptions<NoInfer<Row>>,
): SinkRef<Row> {
  checkOptions(`signalWorkflow '${signal.name}'`, options, workflowOptions);
  return workflowSink({ kind: "signal", name: signal.name }, options);
}

/**
 * Sends each row to a workflow as an update, under the id of its event, and waits until it is done: a run takes each once. What the
 * workflow refuses, and a row for a workflow that does not run, become dead letters.
 *
 * @throws ConfigError `config.invalid` where an option is unknown or out of range
 * @example
 * ```ts
 * import { defineUpdate } from "@temporalio/workflow";
 * const paid = defineUpdate<void, [{ readonly eventId: string; readonly order: string }]>("paid");
 * const updates = updateWorkflow(paid, { workflowId: ({ order }) => `order-${order}` });
 * ```
 */
export function updateWorkflow<Row extends OfEvent>(
  update: UpdateDefinition<unknown, [Row]>,
  options: WorkflowOptions<NoInfer<Row>>,
): SinkRef<Row> {
  checkOptions(`updateWorkflow '${update.name}'`, options, workflowOptions);
  return workflowSink({ kind: "update", name: update.name }, options);
}

function workflowSink<Input>(call: WorkflowCallPlan, options: WorkflowOptions<Input>): SinkRef<Input> {
  return {
    plan: {
      kind: "temporal",
      call,
      workflowId: options.workflowId,
      concurrency: options.concurrency ?? 64,
      timeoutMs: options.timeoutMs ?? seconds(10),
      retry: options.retry ?? defaultRetry,
      ...guardsOf(options),
    },
  };
}

/**
 * Derived events on a stream of ours. Their ids come from the event that caused them, so a replay makes the same ones.
 *
 * @throws ConfigError `config.invalid` where an option is unknown or out of range, or the stream is an adopted one
 * @example
 * ```ts
 * const seen = defineEvent("user.seen", z.object({ user: z.string() }), { key: ({ user }) => user });
 * const sightings = defineStream("sightings", { events: [seen] });
 * pipeline("sightings")
 *   .from(logins)
 *   .route({ tell: toStream(sightings, { rateLimit: { perSecond: 1_000 } }) }, ({ data }, to) => to.tell(seen({ user: data.userId })));
 * ```
 */
export function toStream<E>(stream: Stream<E>, options: StreamGuards = {}): SinkRef<DraftFor<E>> {
  checkOptions(`toStream '${stream.plan.name}'`, options, streamGuards);
  const { rateLimit } = options;
  return { plan: { ...streamSink(stream), ...(rateLimit && { guards: { rateLimit } }) } };
}

/** The sink's plan for a stream; refuses an adopted one, which belongs to another program. */
export function streamSink(stream: Stream<unknown>): StreamSinkPlan {
  if (stream.plan.layout.kind === "adopted") {
    throw new ConfigError("config.invalid", `stream '${stream.plan.name}' is adopted: another program writes it`, {
      hint: "Send derived events to a partitioned stream of your own.",
    });
  }
  return { kind: "stream", stream: stream.plan };
}
