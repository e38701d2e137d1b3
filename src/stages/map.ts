import type { StagePlan } from "../plan/plan.ts";
import { guarded } from "./guard.ts";
import type { Run } from "./run.ts";

export function map({ name, transform, guards }: Extract<StagePlan, { kind: "map" }>, next: Run): Run {
  const turn = guarded(name, transform as (value: unknown) => unknown, guards);
  return (value, outcomes) => {
    const result = turn(value);
    return result instanceof Promise ? result.then((resolved) => next(resolved, outcomes)) : next(result, outcomes);
  };
}
