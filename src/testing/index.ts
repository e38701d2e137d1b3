/** The public door `headrace/testing`. */
export { type PipelineRun, type PipelineTest, type TestOptions, testPipeline } from "./test-pipeline.ts";
