import type { StagePlan } from "../plan/plan.ts";
import type { Run } from "./run.ts";

export function map({ transform }: Extract<StagePlan, { kind: "map" }>, next: Run): Run {
  const turn = transform as (value: unknown) => unknown;
  return (value, outcomes) => {
    const result = turn(value);
    return result instanceof Promise ? result.then((resolved) => next(resolved, outcomes)) : next(result, outcomes);
  };
}
