import { TerminalError } from "../core/errors.ts";
import type { Decision, EndPlan, Outcome } from "../plan/plan.ts";
import { type Effects, type Run, sent } from "./run.ts";

/** The last stage: hands rows to sinks by the names of the destinations. */
export function end(plan: EndPlan): Run {
  switch (plan.kind) {
    case "to": {
      const toRow = plan.toRow as (value: unknown) => unknown;
      return (value, effects) => {
        effects.send("to", toRow(value));
      };
    }
    case "route": {
      const decide = plan.decide as (value: unknown, to: unknown) => Decision;
      const to = Object.fromEntries(Object.keys(plan.destinations).map((name) => [name, (row: unknown) => sent(name, row)]));
      return (value, effects) => {
        const decision = decide(value, to);
        if (Array.isArray(decision)) {
          if (decision.length === 0) throw noOutcome();
          for (const outcome of decision as readonly Outcome[]) apply(outcome, value, effects);
        } else {
          apply(decision as Outcome, value, effects);
        }
      };
    }
    default:
      return plan satisfies never;
  }
}

function apply(outcome: Outcome | undefined, value: unknown, effects: Effects): void {
  switch (outcome?.kind) {
    case "sent":
      return effects.send(outcome.to, outcome.row);
    case "dropped":
      return effects.drop(outcome.reason);
    case "deadLettered":
      return effects.deadLetter({ stage: "route", reason: outcome.reason, error: outcome.reason, value });
    default:
      // The types forbid it; plain JavaScript may still do it, and nothing may vanish.
      throw noOutcome();
  }
}

const noOutcome = () =>
  new TerminalError("stage.result", "the route returned no outcome for this event", {
    hint: "Return to.<destination>(row), drop(why) or deadLetter(why) on every path.",
  });
