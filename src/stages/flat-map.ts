import type { StageCall, StagePlan } from "../plan/plan.ts";
import { each } from "./each.ts";
import { brokenOff } from "./pursue.ts";
import type { Outcomes, Run } from "./run.ts";

export function flatMap({ name, transform }: Extract<StagePlan, { kind: "flatMap" }>, next: Run): Run {
  const turn = transform as (value: unknown, call: StageCall) => readonly unknown[] | Promise<readonly unknown[]>;
  return (value, outcomes) => {
    const result = turn(value, outcomes.call);
    return result instanceof Promise
      ? result.then((values) => goOn(values, outcomes), brokenOff(outcomes))
      : goOn(result, outcomes);
  };

  function goOn(values: readonly unknown[], outcomes: Outcomes): void | Promise<void> {
    return values.length === 0 ? outcomes.drop(name) : each(values, next, outcomes);
  }
}
