/** The public door `headrace/saga`: it is bundled into the workflow sandbox. */
export { traceparent } from "../trace/workflow.ts";
export type { BoundedCalls, EndlessCalls } from "./calls.ts";
export type { SagaRefusal } from "./refusal.ts";
export {
  type CommittedSaga,
  type FreshName,
  type OpenSaga,
  type Reversible,
  type RunStep,
  type Saga,
  type SideBySide,
  type StepCondition,
  type StepContext,
  saga,
  type UndoContext,
  type WithResult,
} from "./saga.ts";
export { seenBefore } from "./seen.ts";
export { type Intervention, type SagaOutcome, type SagaView, type StepState, sagaQuery } from "./status.ts";
