/** The public door `headrace/testing`. */
export type { Envelope, Fault } from "../bus/envelope.ts";
export type { DeadLetter, DeadLetterDraft } from "../bus/port.ts";
export type { Audit } from "../engine/audit.ts";
export type { StateFound } from "../state/find-states.ts";
export type { ArchivedSeen } from "./archive/memory-archive.ts";
export type { BusCall, Death } from "./crashing-bus.ts";
export { type EveryLifeOptions, everyLife, type Life, type LogEvent } from "./every-life.ts";
export type { StandIns } from "./memory-deps.ts";
export type { Reorder } from "./reordered.ts";
export type { ScheduleHandle, ScheduleSeen } from "./temporal/schedule.ts";
export type { WorkflowSeen } from "./temporal/seen.ts";
export { type AppRun, type AppTest, type AppTestOptions, testApp, type WorkflowHandle } from "./test-app.ts";
export { type FoldTest, type FoldToTest, testFold } from "./test-fold.ts";
export type { TestEvent } from "./test-log.ts";
export { type PipelineRun, type PipelineTest, type TestOptions, testPipeline } from "./test-pipeline.ts";
export {
  type Happening,
  type OperatorDecision,
  type SagaCall,
  type SagaRun,
  type SagaScript,
  type SagaTest,
  type SagaTestOptions,
  type SagaTrouble,
  testSaga,
} from "./test-saga.ts";
export { type Looks, withLooks } from "./with-looks.ts";
