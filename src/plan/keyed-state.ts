import { type AppPlan, type PipelinePlan, type StagePlan, withReaders } from "./plan.ts";

export type KeyedStagePlan = Extract<StagePlan, { readonly kind: "fold" | "window" | "join" | "dedupe" }>;

export function isKeyed(stage: StagePlan): stage is KeyedStagePlan {
  switch (stage.kind) {
    case "filter":
    case "map":
    case "flatMap":
    case "enrich":
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
export const statefulReader = (app: AppPlan, pipeline: PipelinePlan): PipelinePlan | undefined =>
  withReaders(app, pipeline).find(firstKeyedStage);
