/** The public door `headrace/plan`: what declarations become, as plain data, for programs that read it. Types alone. */

export type { Callback } from "./callback.ts";
export type { ColumnType } from "./column-type.ts";
export type { DoorPlan } from "./door.ts";
export type { CallRatePlan, SourceGuardsPlan } from "./guards.ts";
export type { FormatPlan } from "./line-format.ts";
export type {
  AppPlan,
  BatchPlan,
  ClickHouseSinkPlan,
  EndPlan,
  PipelinePlan,
  SearchAttributePlan,
  SinkPlan,
  StreamSinkPlan,
  WorkflowCallPlan,
  WorkflowSinkPlan,
} from "./plan.ts";
export type { SagaPlan, SagaStepPlan } from "./saga.ts";
export type { SchedulePlan } from "./schedule.ts";
export type {
  CachePlan,
  DedupePlan,
  EnrichPlan,
  FoldPlan,
  JoinPlan,
  LatePlan,
  StagePlan,
  StatePlan,
  TimerSetting,
  WindowPlan,
} from "./stage.ts";
export type { EntryReading, EventPlan, StreamLayout, StreamPlan } from "./stream.ts";
export type {
  AggregateColumnPlan,
  AggregatePlan,
  ColumnPlan,
  EnginePlan,
  IdempotentAggregate,
  PartitionByPlan,
  RollupAggregate,
  RollupPlan,
  TableObjectPlan,
  TablePlan,
  TtlPlan,
  ViewPlan,
} from "./table.ts";
export type { Timer } from "./timer.ts";
export type { AggregatorPlan, WindowShape } from "./window.ts";
