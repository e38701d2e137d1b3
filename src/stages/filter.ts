import type { StagePlan } from "../plan/plan.ts";
import type { Run } from "./run.ts";

export function filter({ name, keep }: Extract<StagePlan, { kind: "filter" }>, next: Run): Run {
  const keeps = keep as (value: unknown) => boolean;
  return (value, effects) => (keeps(value) ? next(value, effects) : effects.drop(name));
}
