/**
 * A pipeline as inert data: what the DSL makes, the engine runs and `headrace graph` draws. Nothing here opens anything.
 *
 * Vocabulary, one word for one thing, everywhere in Headrace:
 * - event: a typed fact in the past tense (`login.succeeded`); envelope: its id, type, source, time, key and traceparent
 *   (attribute names of CloudEvents 1.0).
 * - stream: a named log of events, split in partitions by the partition key; or one Redis stream of another program, adopted.
 * - entry: one record of a Redis stream; frame: an entry that holds many events; position: partition, entry id and index in the frame.
 * - group: the consumer group of a pipeline; lease: the right of one worker to read a partition; epoch: its fencing token; owner: the
 *   worker that has it; assignment: which worker owns which partitions.
 * - batch: what one read brought, on its way to its commit; committer: what commits batches, each in one step; checkpoint: the entry up
 *   to which a log is settled without a gap; in-flight limit: how much may be read and not committed yet.
 * - buffer: what a producer holds until it is stored; queue: what waits for its turn in order, such as the events of one key.
 * - stage: one transformation; outcome: what became of an event (delivered, dropped with a reason, dead-lettered with a reason).
 * - fold: a stage that keeps a state for each key; timer: of a key, it fires when its time has come; window, watermark, late.
 * - source, sink: where a pipeline reads and writes; row: what a sink takes; insert: the rows of one write to a table.
 * - rollup: counts by buckets of time; dirty bucket: one whose rows have changed since it was counted.
 * - saga: work of several steps that finishes or is undone; step, undo, pivot (the point of no return);
 *   status: how far each step is; operator update: what a person asks of a saga (try again, skip an undo, give up).
 * - dead letter: an entry, event or row that could not be handled, kept with its bytes and reason; replay: reading again.
 * - ledger: the counts of every outcome; registry: who is alive.
 */

import type { SearchAttributeType } from "../core/search-attributes.ts";
import type { Callback } from "./callback.ts";
import type { RateLimitPlan, RetryPlan, SinkGuardsPlan, SourceGuardsPlan } from "./guards.ts";
import type { FormatPlan } from "./line-format.ts";
import type { Decision } from "./outcome.ts";
import type { SchedulePlan } from "./schedule.ts";
import type { StagePlan } from "./stage.ts";
import type { EventPlan, StreamPlan } from "./stream.ts";
import type { TableObjectPlan, TablePlan } from "./table.ts";

export type { FormatPlan, LineContext, LineEnd, LineEvent, LineReader, LineResult } from "./line-format.ts";
export type { DeadLettered, Decision, Dropped, Outcome, Sent } from "./outcome.ts";
export type { CachePlan, DedupePlan, EnrichPlan, FoldPlan, JoinPlan, StageCall, StagePlan } from "./stage.ts";
export type { EntryReading, EventPlan, IdentityPlan, RetentionPlan, StreamPlan } from "./stream.ts";

/** How a ClickHouse sink cuts its batches: whichever limit is met first. */
export interface BatchPlan {
  readonly maxRows: number;
  readonly maxBytes: number;
  /** The shortest time between two inserts into one table, milliseconds. */
  readonly minIntervalMs: number;
}

/** Rows of a table. */
export interface ClickHouseSinkPlan {
  readonly kind: "clickhouse";
  readonly table: TablePlan;
  readonly batch: BatchPlan;
  readonly retry: RetryPlan;
  /** An insert that has not answered after this time is given up and repeated, milliseconds. */
  readonly timeoutMs: number;
  readonly guards?: SinkGuardsPlan;
}

/** Calls of workflows. */
export interface WorkflowSinkPlan {
  readonly kind: "temporal";
  readonly call: WorkflowCallPlan;
  readonly workflowId: Callback<[input: unknown], string>;
  /** How many calls may be under way at once. */
  readonly concurrency: number;
  readonly retry: RetryPlan;
  readonly timeoutMs: number;
  readonly guards?: SinkGuardsPlan;
}

/** What Temporal is asked for with each row. */
export type WorkflowCallPlan =
  | {
      readonly kind: "start";
      /** The workflow's type: the name of the function that the saga worker exports. */
      readonly workflow: string;
      readonly taskQueue: string;
      /** How long it waits before it begins, milliseconds. */
      readonly delayMs?: number;
      /** A row that comes after this time starts nothing. */
      readonly notAfter?: Callback<[input: unknown], Date>;
      /** What operators find it by, by the attribute's name. */
      readonly searchAttributes?: Readonly<Record<string, SearchAttributePlan>>;
      /** A line about it, for Temporal's UI. */
      readonly summary?: Callback<[input: unknown], string>;
    }
  /** To a workflow that runs. Rows carry the id of their event: it may come again. */
  | { readonly kind: "signal" | "update"; readonly name: string };

/** An attribute that operators find a workflow by. */
export interface SearchAttributePlan {
  readonly type: SearchAttributeType;
  /** The attribute is left out where it is undefined. */
  readonly value: Callback<[input: unknown], unknown>;
}

/** Derived events of a stream. */
export interface StreamSinkPlan {
  readonly kind: "stream";
  readonly stream: StreamPlan;
  /** It counts events. The stream is in the Redis that is read, so there is nothing to break. */
  readonly guards?: Omit<SinkGuardsPlan, "breaker">;
}

/** Where a value goes. */
export type SinkPlan = ClickHouseSinkPlan | WorkflowSinkPlan | StreamSinkPlan;

/** What is written by a sink of its own; streams are written by the commit. */
export type OwnSinkPlan = Exclude<SinkPlan, StreamSinkPlan>;

/** How a pipeline ends: every value to one sink, or each where `decide` sends it. */
export type EndPlan =
  | { readonly kind: "to"; readonly sink: SinkPlan; readonly toRow: Callback<[value: unknown], unknown> }
  | {
      readonly kind: "route";
      readonly destinations: Readonly<Record<string, SinkPlan>>;
      readonly decide: Callback<[value: unknown, to: unknown], Decision>;
    };

/** A pipeline: what it reads, its stages, and how it ends. */
export interface PipelinePlan {
  readonly kind: "pipeline";
  readonly name: string;
  readonly sources: readonly StreamPlan[];
  /** Names of keyed stages that it had and has no more: their states are given up. */
  readonly retired?: readonly string[];
  readonly sourceGuards?: SourceGuardsPlan;
  /** When a silent partition's event time goes on by itself, milliseconds. @default half a minute */
  readonly idleMs?: number;
  readonly stages: readonly StagePlan[];
  readonly end: EndPlan;
}

/** Everything an application declares. */
export interface AppPlan {
  readonly kind: "app";
  readonly streams: readonly StreamPlan[];
  readonly pipelines: readonly PipelinePlan[];
  /** Tables, aggregates and views, in the order in which they can be created. */
  readonly tables: readonly TableObjectPlan[];
  readonly formats: readonly FormatPlan[];
  /** Workflows that are started again and again. */
  readonly schedules: readonly SchedulePlan[];
  /** Tables whose days can be archived. */
  readonly archives: readonly TablePlan[];
}

/**
 * The partition key of an event's data.
 * @throws TypeError where the function that finds it returns no string
 */
export function partitionKey({ type, keyOf }: EventPlan, data: unknown): string {
  const key = keyOf(data);
  if (typeof key !== "string") throw new TypeError(`the key of '${type}' is not a string`);
  return key;
}

/** The name of the destination that the late values of a stage go to. */
export const lateDestination = (stage: string): string => `late:${stage}`;

/** The sinks of a pipeline by the name under which outcomes name them; `to` is the name of the only one. */
export function sinksOf({ end, stages }: PipelinePlan): Readonly<Record<string, SinkPlan>> {
  const sinks = end.kind === "to" ? { to: end.sink } : end.destinations;
  const late = stages.flatMap((stage) =>
    stage.kind === "window" && stage.late
      ? [[lateDestination(stage.name), { kind: "stream", stream: stage.late.stream } satisfies SinkPlan] as const]
      : [],
  );
  return late.length === 0 ? sinks : { ...sinks, ...Object.fromEntries(late) };
}

/** A pipeline, and all that read what it derives, straight or by way of others. */
export function withReaders(app: Pick<AppPlan, "pipelines">, pipeline: PipelinePlan): readonly PipelinePlan[] {
  const reached = new Set([pipeline]);
  // A set may grow while it is looked through.
  for (const one of reached) {
    const derived = Object.values(sinksOf(one)).flatMap((sink) => (sink.kind === "stream" ? [sink.stream.name] : []));
    for (const reader of app.pipelines) {
      if (reader.sources.some(({ name }) => derived.includes(name))) reached.add(reader);
    }
  }
  return [...reached];
}

/** Where pipelines call workflows. */
export const workflowSinksOf = (pipelines: readonly PipelinePlan[]): readonly WorkflowSinkPlan[] =>
  pipelines.flatMap((pipeline) => Object.values(sinksOf(pipeline)).filter((sink) => sink.kind === "temporal"));

/** The search attributes that pipelines start workflows with. */
export const searchAttributesOf = (
  pipelines: readonly PipelinePlan[],
): readonly { readonly name: string; readonly type: SearchAttributeType }[] =>
  workflowSinksOf(pipelines).flatMap(({ call }) =>
    call.kind === "start" ? Object.entries(call.searchAttributes ?? {}).map(([name, { type }]) => ({ name, type })) : [],
  );

/** The name of what a sink writes to: sinks of one target share their guards in a process. */
export function targetOf(plan: OwnSinkPlan): string {
  switch (plan.kind) {
    case "clickhouse":
      return `clickhouse ${plan.table.name}`;
    case "temporal":
      return plan.call.kind === "start"
        ? `temporal ${plan.call.taskQueue} ${plan.call.workflow}`
        : `temporal ${plan.call.kind} ${plan.call.name}`;
    default:
      return plan satisfies never;
  }
}

/** The rate limits of a pipeline, each with the name of its place. */
export function rateLimitsOf(pipeline: PipelinePlan): readonly { readonly place: string; readonly rateLimit: RateLimitPlan }[] {
  const { name, sourceGuards, stages } = pipeline;
  const limits = [
    { place: `pipeline '${name}'`, rateLimit: sourceGuards?.rateLimit },
    ...stages.map((stage) => ({
      place: `stage '${stage.name}' of pipeline '${name}'`,
      rateLimit: "guards" in stage ? stage.guards?.rateLimit : undefined,
    })),
    ...Object.entries(sinksOf(pipeline)).map(([to, { guards }]) => ({
      place: `sink '${to}' of pipeline '${name}'`,
      rateLimit: guards?.rateLimit,
    })),
  ];
  return limits.flatMap(({ place, rateLimit }) => (rateLimit ? [{ place, rateLimit }] : []));
}
