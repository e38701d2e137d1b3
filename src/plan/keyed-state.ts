import { type AppPlan, type PipelinePlan, type StagePlan, sinksOf } from "./plan.ts";

export type KeyedStagePlan = Extract<StagePlan, { readonly kind: "fold" | "window" | "join" | "dedupe" }>;

export function isKeyed(stage: StagePlan): stage is KeyedStagePlan {
  switch (stage.kind) {
    case "filter":
    case "map":
    case "flatMap":
      return false;
    case "fold":
    case "window":
    case "join":
    case "dedupe":
      return true;
    default:
      return stage satisfies never;
  }
}

/** The first stage that keeps a state by key: what it has taken once changes the state again when it is taken twice. */
export const firstKeyedStage = ({ stages }: PipelinePlan): KeyedStagePlan | undefined => stages.find(isKeyed);

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
