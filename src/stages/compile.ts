import type { StagePlan } from "../plan/plan.ts";
import { enrich } from "./enrich.ts";
import { filter } from "./filter.ts";
import { flatMap } from "./flat-map.ts";
import { map } from "./map.ts";
import type { Run } from "./run.ts";

/** Makes a stage that keeps no state, with what comes behind it. */
export function compileStage(stage: StagePlan, next: Run): Run {
  if ("guards" in stage && stage.guards) throw new Error(`nobody has put on the guards of stage '${stage.name}'`);
  switch (stage.kind) {
    case "filter":
      return filter(stage, next);
    case "map":
      return map(stage, next);
    case "flatMap":
      return flatMap(stage, next);
    case "enrich":
      return enrich(stage, next);
    case "fold":
    case "window":
    case "join":
    case "dedupe":
      throw new Error(`stage '${stage.name}' keeps a state: it begins a section of its own`);
    default:
      return stage satisfies never;
  }
}
