import type { StagePlan } from "../plan/plan.ts";
import { each } from "./each.ts";
import { brokenOff } from "./failures.ts";
import type { Effects, Run } from "./run.ts";

export function flatMap({ name, transform }: Extract<StagePlan, { kind: "flatMap" }>, next: Run): Run {
  return (value, effects) => {
    const result = transform(value, effects.call) as readonly unknown[] | Promise<readonly unknown[]>;
    return result instanceof Promise ? result.then((values) => goOn(values, effects), brokenOff(effects)) : goOn(result, effects);
  };

  function goOn(values: readonly unknown[], effects: Effects): void | Promise<void> {
    return values.length === 0 ? effects.drop(name) : each(values, next, effects);
  }
}
