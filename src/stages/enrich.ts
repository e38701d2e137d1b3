import type { EnrichPlan } from "../plan/plan.ts";
import { brokenOff } from "./failures.ts";
import type { Run } from "./run.ts";

/** `look` keeps what it finds: `guardStages` has seen to it, once for all partitions. */
export function enrich({ key, look, combine }: EnrichPlan, next: Run): Run {
  return (value, effects) => {
    const found = look(key(value), effects.call);
    return found instanceof Promise
      ? found.then((answer) => next(combine(value, answer), effects), brokenOff(effects))
      : next(combine(value, found), effects);
  };
}
