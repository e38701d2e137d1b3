/** The public door of Headrace: what pipelines are written with. */
export { days, hours, minutes, seconds } from "./core/duration.ts";
export { ConfigError, HeadraceError, RetryableError, TerminalError } from "./core/errors.ts";
export { aggregates, defineAggregate } from "./dsl/aggregate.ts";
export { type App, type AppOptions, defineApp } from "./dsl/app.ts";
export { c } from "./dsl/columns.ts";
export { defineEvent, type Event, type EventDraft, type EventOf, type EventOptions, type EventType } from "./dsl/event.ts";
export { defineFormat, type Format } from "./dsl/format.ts";
export type { SourceGuards, StreamGuards } from "./dsl/guards.ts";
export { deadLetter, drop } from "./dsl/outcome.ts";
export { type Pipeline, type PipelineBuilder, pipeline } from "./dsl/pipeline.ts";
export {
  type ClickHouseOptions,
  clickhouse,
  type LowLatencyOptions,
  type SinkRef,
  type StartWorkflowOptions,
  startWorkflow,
  toStream,
} from "./dsl/sinks.ts";
export { type AdoptedStreamOptions, defineStream, type PartitionedStreamOptions, type Stream } from "./dsl/stream.ts";
export { defineTable, type RowOf, type Table } from "./dsl/table.ts";
export { defineView } from "./dsl/view.ts";
export { type BreakerOptions, type OpenProducerOptions, openProducer, type StreamProducer } from "./open-producer.ts";
export { describe } from "./plan/describe.ts";
export type { BreakerPlan, GuardsPlan, RateLimitPlan, RetryPlan } from "./plan/guards.ts";
export type {
  DeadLettered,
  Decision,
  Dropped,
  LineContext,
  LineEvent,
  LineReader,
  LineResult,
  Outcome,
  Sent,
} from "./plan/plan.ts";
