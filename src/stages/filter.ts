import type { StagePlan } from "../plan/plan.ts";
import type { Run } from "./run.ts";

export function filter({ name, keep }: Extract<StagePlan, { kind: "filter" }>, next: Run): Run {
  return (value, effects) => (keep(value) ? next(value, effects) : effects.drop(name));
}
