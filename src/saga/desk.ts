import { defineUpdate, setHandler } from "@temporalio/workflow";
import type { Board, Intervention } from "./board.ts";

export type Phase = "before the pivot" | "undoing" | "behind the pivot";
export type Decision = Intervention["verb"];

/** A step that is being tried: what operators can decide on. */
export interface Effort {
  readonly step: string;
  readonly phase: Phase;
  readonly decide: (decision: Decision) => void;
}

/** Why an operator decides so, and who it is. The Temporal UI sends one value: a sentence, or an object with both. */
type Because = string | { readonly reason?: string; readonly by?: string };

/** The updates for operators. Each answers with what it did; one that does not fit is refused, and leaves no trace. */
const retryNow = defineUpdate<string, [] | [Because]>("retryNow");
const skipUndo = defineUpdate<string, [Because]>("skipUndo");
const giveUp = defineUpdate<string, [Because]>("giveUp");

export interface Desk {
  /** From now on operators decide on this effort, until the returned function is called. */
  open(effort: Effort): () => void;
}

export function openDesk(board: Board): Desk {
  const efforts = new Set<Effort>();
  const inPhase = (...phases: readonly Phase[]) => [...efforts].filter(({ phase }) => phases.includes(phase));
  const decide = (verb: Decision, concerned: readonly Effort[], because: Because = "") => {
    const step = concerned.map((effort) => effort.step).join(", ");
    board.note({ at: new Date().toISOString(), verb, step, ...partsOf(because) });
    for (const effort of concerned) effort.decide(verb);
    return step;
  };

  setHandler(retryNow, (because?: Because) => `trying ${decide("retryNow", [...efforts], because)} again`, {
    description: `Tries the step at once that waits for its next try. ${takes}, or nothing.`,
    validator: (_?: Because) => {
      if (efforts.size === 0) throw new Error("no step is being tried: there is nothing to try again");
    },
  });
  setHandler(skipUndo, (because: Because) => `${decide("skipUndo", inPhase("undoing"), because)} stays as it is`, {
    description: `Leaves the step as it is that is being undone, and goes on with the one before. ${takes}.`,
    validator: (because: Because) => {
      checkReason(because);
      if (inPhase("undoing").length === 0) throw new Error("nothing is being undone: there is no undo to skip");
    },
  });
  setHandler(giveUp, (because: Because) => `giving up at ${decide("giveUp", inPhase("undoing", "behind the pivot"), because)}`, {
    description: `Ends the saga as it is, neither finished nor undone. ${takes}.`,
    validator: (because: Because) => {
      checkReason(because);
      if (inPhase("undoing", "behind the pivot").length > 0) return;
      throw new Error(
        inPhase("before the pivot").length > 0
          ? "the saga is before its pivot: cancel the workflow, and everything is undone"
          : "no step is being tried: there is nothing to give up",
      );
    },
  });
  return {
    open(effort) {
      efforts.add(effort);
      return () => void efforts.delete(effort);
    },
  };
}

const takes = 'Takes the reason as a text, or {"reason": "…", "by": "your name"}';

/** Whatever was sent: what is no text is left out. */
function partsOf(because: unknown): { readonly reason?: string; readonly by?: string } {
  const { reason, by }: { readonly reason?: unknown; readonly by?: unknown } =
    typeof because === "object" && because !== null ? because : { reason: because };
  const isText = (value: unknown): value is string => typeof value === "string" && value.trim() !== "";
  return { ...(isText(reason) && { reason }), ...(isText(by) && { by }) };
}

function checkReason(because: unknown): void {
  if (partsOf(because).reason === undefined) throw new Error("give a reason: it is kept with the saga");
}
