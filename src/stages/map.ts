import type { StagePlan } from "../plan/plan.ts";
import { brokenOff } from "./failures.ts";
import type { Run } from "./run.ts";

export function map({ transform }: Extract<StagePlan, { kind: "map" }>, next: Run): Run {
  return (value, effects) => {
    const result = transform(value, effects.call);
    return result instanceof Promise
      ? result.then((resolved) => next(resolved, effects), brokenOff(effects))
      : next(result, effects);
  };
}
