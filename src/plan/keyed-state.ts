import { type AppPlan, type PipelinePlan, type StagePlan, sinksOf } from "./plan.ts";

const stateless: ReadonlySet<StagePlan["kind"]> = new Set(["filter", "map", "flatMap"]);

/** The first stage that keeps a state by key: what it has taken once changes the state again when it is taken twice. */
export const firstKeyedStage = ({ stages }: PipelinePlan): StagePlan | undefined =>
  stages.find(({ kind }) => !stateless.has(kind));

/** The first pipeline with keyed state among `pipeline` and all that read what it derives. */
export function statefulReader(app: AppPlan, pipeline: PipelinePlan): PipelinePlan | undefined {
  const reached = new Set([pipeline]);
  // A set may grow while it is looked through.
  for (const one of reached) {
    if (firstKeyedStage(one)) return one;
    const derived = Object.values(sinksOf(one)).flatMap((sink) => (sink.kind === "stream" ? [sink.stream.name] : []));
    for (const reader of app.pipelines) {
      if (reader.sources.some(({ name }) => derived.includes(name))) reached.add(reader);
    }
  }
  return undefined;
}
