import type { StageCall, StagePlan } from "../plan/plan.ts";
import { each } from "./each.ts";
import { brokenOff } from "./pursue.ts";
import type { Effects, Run } from "./run.ts";

export function flatMap({ name, transform }: Extract<StagePlan, { kind: "flatMap" }>, next: Run): Run {
  const turn = transform as (value: unknown, call: StageCall) => readonly unknown[] | Promise<readonly unknown[]>;
  return (value, effects) => {
    const result = turn(value, effects.call);
    return result instanceof Promise ? result.then((values) => goOn(values, effects), brokenOff(effects)) : goOn(result, effects);
  };

  function goOn(values: readonly unknown[], effects: Effects): void | Promise<void> {
    return values.length === 0 ? effects.drop(name) : each(values, next, effects);
  }
}
