import { TerminalError } from "../core/errors.ts";
import type { DeadLettered, Dropped, FoldPlan } from "../plan/plan.ts";
import { each } from "./each.ts";
import type { Outcomes, Run } from "./run.ts";

export function fold(plan: FoldPlan, next: Run): Run {
  const { name, initial } = plan;
  const keyOf = plan.key as (value: unknown) => string;
  const decide = plan.decide as (state: unknown, value: unknown) => readonly unknown[] | Dropped | DeadLettered;
  const evolve = plan.evolve as (state: unknown, decided: unknown) => unknown;
  return (value, outcomes) => {
    const key = keyOf(value);
    const state = outcomes.states.get(name, key);
    return state instanceof Promise
      ? state.then((fetched) => step(fetched, key, value, outcomes))
      : step(state, key, value, outcomes);
  };

  function step(known: unknown, key: string, value: unknown, outcomes: Outcomes): void | Promise<void> {
    let state = known === undefined ? initial : known;
    const decided = decide(state, value);
    if ("kind" in decided) {
      if (decided.kind === "dropped") return outcomes.drop(decided.reason);
      return outcomes.deadLetter({ stage: name, reason: decided.reason, error: decided.reason });
    }
    for (const one of decided) state = evolve(state, one);
    if (state === undefined)
      throw new TerminalError("event.invalid", `fold '${name}': evolve returned no state`, {
        hint: "Return the new state on every path.",
      });
    outcomes.states.set(name, key, state);
    if (decided.length === 0) return outcomes.drop(name);
    return each(decided, next, outcomes);
  }
}
