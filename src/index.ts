/** The public door of Headrace: what pipelines are written with. */
export { days, hours, minutes, seconds } from "./core/duration.ts";
export type { ErrorCode } from "./core/error-codes.ts";
export { ConfigError, type ErrorDetails, HeadraceError, RetryableError, TerminalError } from "./core/errors.ts";
export type { Logger } from "./core/log.ts";
export type { SearchAttributeType } from "./core/search-attributes.ts";
export { type Aggregate, type AggregateOptions, aggregates, defineAggregate } from "./dsl/aggregate.ts";
export { type Aggregator, type AggregatorOptions, aggregator } from "./dsl/aggregators/aggregator.ts";
export { distinctApprox } from "./dsl/aggregators/distinct-approx.ts";
export { count, max, mean, min, sum } from "./dsl/aggregators/numbers.ts";
export { type QuantilesOptions, quantiles } from "./dsl/aggregators/quantiles.ts";
export { collect, distinct, first, last, type Ranked, topK } from "./dsl/aggregators/values.ts";
export { type App, type AppOptions, defineApp } from "./dsl/app.ts";
export {
  type ArrayColumn,
  type Column,
  type ColumnDraft,
  c,
  type Presence,
  type RequiredColumn,
  type ScalarColumn,
  type StringColumn,
} from "./dsl/columns.ts";
export type { DoorOptions } from "./dsl/door.ts";
export type { EnrichOptions } from "./dsl/enrich.ts";
export {
  defineEvent,
  type Event,
  type EventDraft,
  type EventOf,
  type EventOptions,
  type EventType,
  type JsonData,
  type JsonOf,
} from "./dsl/event.ts";
export { defineFormat, type Format } from "./dsl/format.ts";
export type { AggregateColumn, AggregateFilter } from "./dsl/grouping.ts";
export type { CallRate, ClickHouseGuards, SourceGuards, StageGuards, StreamGuards } from "./dsl/guards.ts";
export type { Given, KeysOf, LackingColumns, NoExtraColumns, RowFor, RowLike, TypeHint } from "./dsl/hints.ts";
export type { FoldOptions, Joined, JoinOptions, KeyedFoldOptions, ResultsOf, TimerOf, WindowOf } from "./dsl/keyed.ts";
export { deadLetter, drop, type MustDecide, type SendTo } from "./dsl/outcome.ts";
export {
  type Keyed,
  type Pipeline,
  type PipelineBuilder,
  type PipelineOptions,
  type PipelineStart,
  pipeline,
  type Windowed,
} from "./dsl/pipeline.ts";
export { defineRollup, type Rollup, type RollupOptions, rollups } from "./dsl/rollup.ts";
export { defineSchedule, type Schedule, type ScheduledWorkflowOptions, type ScheduleOptions } from "./dsl/schedule.ts";
export {
  type ClickHouseOptions,
  clickhouse,
  type InsertOptions,
  type LowLatencyOptions,
  type OfEvent,
  type SearchAttribute,
  type SearchAttributeValues,
  type SinkRef,
  type StartWorkflowOptions,
  signalWorkflow,
  startWorkflow,
  toStream,
  updateWorkflow,
  type WorkflowOptions,
} from "./dsl/sinks.ts";
export { defineState, type KeptState, type KeptStateOptions, type StateOf } from "./dsl/state.ts";
export {
  type AdoptedField,
  type AdoptedFields,
  type AdoptedStreamOptions,
  type AnyEventType,
  type Carried,
  type DraftFor,
  defineStream,
  type PartitionedStreamOptions,
  type ReadDraft,
  type Stream,
  type StreamEvents,
} from "./dsl/stream.ts";
export {
  type Columns,
  type ColumnValue,
  defineTable,
  type OptionalColumns,
  type RowHalves,
  type RowOf,
  type RowOfColumns,
  type Table,
  type TableOptions,
} from "./dsl/table.ts";
export { defineView, type View } from "./dsl/view.ts";
export {
  type AlignedWindowOptions,
  type HoppingOptions,
  hopping,
  type SessionOptions,
  session,
  type TumblingOptions,
  tumbling,
  type WindowOptions,
  type WindowSpec,
} from "./dsl/window.ts";
export {
  type Accepted,
  type BreakerOptions,
  type Durability,
  type OpenProducerOptions,
  openProducer,
  type StreamProducer,
} from "./open-producer.ts";
export { describe } from "./plan/describe.ts";
export type { BreakerPlan, GuardsPlan, RateLimitPlan, RetryPlan, SinkGuardsPlan } from "./plan/guards.ts";
export type {
  DeadLettered,
  Decision,
  Dropped,
  IdentityPlan,
  LineContext,
  LineEnd,
  LineEvent,
  LineReader,
  LineResult,
  Outcome,
  RetentionPlan,
  Sent,
  StageCall,
} from "./plan/plan.ts";
export type { Moment, WindowResult } from "./plan/window.ts";
