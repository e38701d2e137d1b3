import type { EnrichPlan, StageCall } from "../plan/plan.ts";
import { brokenOff } from "./pursue.ts";
import type { Run } from "./run.ts";

/** `look` keeps what it finds: `guardStages` has seen to it, once for all partitions. */
export function enrich({ key, look, combine }: EnrichPlan, next: Run): Run {
  const keyOf = key as (value: unknown) => string;
  const find = look as (key: string, call: StageCall) => unknown;
  const both = combine as (value: unknown, found: unknown) => unknown;
  return (value, effects) => {
    const found = find(keyOf(value), effects.call);
    return found instanceof Promise
      ? found.then((answer) => next(both(value, answer), effects), brokenOff(effects))
      : next(both(value, found), effects);
  };
}
