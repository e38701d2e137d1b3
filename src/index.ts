/** The public door of Headrace: what pipelines are written with. */
export { days, hours, minutes, seconds } from "./core/duration.ts";
export { ConfigError, HeadraceError, RetryableError, TerminalError } from "./core/errors.ts";
export { aggregates, defineAggregate } from "./dsl/aggregate.ts";
export { type Aggregator, type AggregatorOptions, aggregator } from "./dsl/aggregators/aggregator.ts";
export { distinctApprox } from "./dsl/aggregators/distinct-approx.ts";
export { count, max, mean, min, sum } from "./dsl/aggregators/numbers.ts";
export { type QuantilesOptions, quantiles } from "./dsl/aggregators/quantiles.ts";
export { collect, distinct, first, last, type Ranked, topK } from "./dsl/aggregators/values.ts";
export { type App, type AppOptions, defineApp } from "./dsl/app.ts";
export { c } from "./dsl/columns.ts";
export type { EnrichOptions } from "./dsl/enrich.ts";
export { defineEvent, type Event, type EventDraft, type EventOf, type EventOptions, type EventType } from "./dsl/event.ts";
export { defineFormat, type Format } from "./dsl/format.ts";
export type { CallRate, SourceGuards, StageGuards, StreamGuards } from "./dsl/guards.ts";
export type { FoldOptions, Joined, JoinOptions, KeyedFoldOptions, TimerOf, WindowOf } from "./dsl/keyed.ts";
export { deadLetter, drop } from "./dsl/outcome.ts";
export { type Keyed, type Pipeline, type PipelineBuilder, pipeline, type Windowed } from "./dsl/pipeline.ts";
export { defineRollup, rollups } from "./dsl/rollup.ts";
export { defineSchedule, type Schedule, type ScheduleOptions } from "./dsl/schedule.ts";
export {
  type ClickHouseOptions,
  clickhouse,
  type LowLatencyOptions,
  type SinkRef,
  type StartWorkflowOptions,
  signalWorkflow,
  startWorkflow,
  toStream,
  updateWorkflow,
} from "./dsl/sinks.ts";
export {
  type AdoptedField,
  type AdoptedFields,
  type AdoptedStreamOptions,
  defineStream,
  type PartitionedStreamOptions,
  type ReadDraft,
  type Stream,
} from "./dsl/stream.ts";
export { defineTable, type RowOf, type Table } from "./dsl/table.ts";
export { defineView } from "./dsl/view.ts";
export {
  type HoppingOptions,
  hopping,
  type SessionOptions,
  session,
  type TumblingOptions,
  tumbling,
  type WindowOptions,
  type WindowSpec,
} from "./dsl/window.ts";
export { type BreakerOptions, type OpenProducerOptions, openProducer, type StreamProducer } from "./open-producer.ts";
export type {
  ArchiveCall,
  ArchivedFile,
  ArchiveRun,
  ArchiveVerbs,
  Generation,
  Manifest,
  Sealed,
  Survey,
  TableDay,
} from "./plan/archive.ts";
export { describe } from "./plan/describe.ts";
export type { BreakerPlan, GuardsPlan, RateLimitPlan, RetryPlan } from "./plan/guards.ts";
export type {
  DeadLettered,
  Decision,
  Dropped,
  LineContext,
  LineEnd,
  LineEvent,
  LineReader,
  LineResult,
  Outcome,
  Sent,
  StageCall,
} from "./plan/plan.ts";
