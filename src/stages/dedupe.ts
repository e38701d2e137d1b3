import type { DedupePlan } from "../plan/plan.ts";
import type { KeyedStage, Outcomes, Run } from "./run.ts";

/** Lets each id through once, as long as it is remembered. Ids are stored by the commit that acks their events, so nothing is lost. */
export function dedupe({ name }: DedupePlan, { next }: { readonly next: Run }): KeyedStage {
  return {
    name,
    keyOf: undefined,
    run(value, outcomes) {
      const isNew = outcomes.states.takes(name, outcomes.moment);
      return isNew instanceof Promise ? isNew.then((answer) => pass(answer, value, outcomes)) : pass(isNew, value, outcomes);
    },
    fire() {},
  };

  function pass(isNew: boolean, value: unknown, outcomes: Outcomes): void | Promise<void> {
    return isNew ? next(value, outcomes) : outcomes.duplicate();
  }
}
