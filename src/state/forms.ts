import { isKeyed, type KeyedStagePlan } from "../plan/keyed-state.ts";
import type { PipelinePlan } from "../plan/plan.ts";
import type { StageForm } from "./record.ts";

/** What the states of a pipeline's keyed stages are like. */
export const formsOf = ({ stages }: PipelinePlan): readonly StageForm[] => stages.filter(isKeyed).map(formOf);

function formOf(stage: KeyedStagePlan): StageForm {
  const common = { stage: stage.name, migrate: undefined, schema: undefined, horizonMs: undefined, version: 1 };
  switch (stage.kind) {
    case "fold":
      return { ...common, version: stage.version, migrate: stage.migrate, schema: stage.schema };
    case "dedupe":
      return { ...common, horizonMs: stage.horizonMs };
    case "window":
    case "join":
      return common;
    default:
      return stage satisfies never;
  }
}
