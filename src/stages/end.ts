import { TerminalError } from "../core/errors.ts";
import type { Decision, EndPlan, Outcome } from "../plan/plan.ts";
import { type Effects, type Run, sent } from "./run.ts";

/** The last stage: hands rows to sinks by the names of the destinations. */
export function end(plan: EndPlan): Run {
  switch (plan.kind) {
    case "to": {
      const { toRow } = plan;
      return (value, effects) => {
        effects.send("to", toRow(value));
      };
    }
    case "route": {
      const { decide, destinations } = plan;
      const to = Object.fromEntries(Object.keys(destinations).map((name) => [name, (row: unknown) => sent(name, row)]));
      return (value, effects) => {
        const decision = decide(value, to);
        if (!isSeveral(decision)) return apply(decision, value, effects);
        if (decision.length === 0) throw noOutcome();
        for (const outcome of decision) apply(outcome, value, effects);
      };
    }
    default:
      return plan satisfies never;
  }
}

const isSeveral = (decision: Decision): decision is readonly Outcome[] => Array.isArray(decision);

function apply(outcome: Outcome, value: unknown, effects: Effects): void {
  // The types forbid none; plain JavaScript may still return it, and nothing may vanish.
  switch (outcome?.kind) {
    case "sent":
      return effects.send(outcome.to, outcome.row);
    case "dropped":
      return effects.drop(outcome.reason);
    case "deadLettered":
      return effects.deadLetter({ stage: "route", reason: outcome.reason, error: outcome.reason, value });
    default:
      outcome satisfies never;
      throw noOutcome();
  }
}

const noOutcome = () =>
  new TerminalError("stage.result", "the route returned no outcome for this event", {
    hint: "Return to.<destination>(row), drop(why) or deadLetter(why) on every path.",
  });
