/** The public door `headrace/testing`. */
export type { DeadLetter, DeadLetterDraft } from "../bus/port.ts";
export type { Audit } from "../engine/audit.ts";
export type { StateFound } from "../state/find-states.ts";
export { type EveryLifeOptions, everyLife, type Life, type LogEvent } from "./every-life.ts";
export type { BusCall, Death } from "./mortal-bus.ts";
export type { Reorder } from "./reordered.ts";
export { type FoldTest, type FoldToTest, testFold } from "./test-fold.ts";
export { type PipelineRun, type PipelineTest, type TestEvent, type TestOptions, testPipeline } from "./test-pipeline.ts";
export { type Looks, withLooks } from "./with-looks.ts";
