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

/** Why an operator decides so, and who it is. */
type Because = [reason: string] | [reason: string, by: string];

/** The updates for operators. Each answers with what it did; one that does not fit is refused, and leaves no trace. */
const retryNow = defineUpdate<string, [] | Because>("retryNow");
const skipUndo = defineUpdate<string, Because>("skipUndo");
const giveUp = defineUpdate<string, Because>("giveUp");

export interface Desk {
  /** From now on operators decide on this effort, until the returned function is called. */
  open(effort: Effort): () => void;
}

export function openDesk(board: Board): Desk {
  const efforts = new Set<Effort>();
  const inPhase = (...phases: readonly Phase[]) => [...efforts].filter(({ phase }) => phases.includes(phase));
  const decide = (verb: Decision, concerned: readonly Effort[], reason = "", by?: string) => {
    const step = concerned.map((effort) => effort.step).join(", ");
    board.note({ at: new Date().toISOString(), verb, step, ...(reason && { reason }), ...(by && { by }) });
    for (const effort of concerned) effort.decide(verb);
    return step;
  };

  setHandler(retryNow, (reason?: string, by?: string) => `trying ${decide("retryNow", [...efforts], reason, by)} again`, {
    description: "Tries the step at once that waits for its next try. Arguments: the reason and your name, both optional.",
    validator: (_reason?: string, _by?: string) => {
      if (efforts.size === 0) throw new Error("no step is being tried: there is nothing to try again");
    },
  });
  setHandler(skipUndo, (reason: string, by?: string) => `${decide("skipUndo", inPhase("undoing"), reason, by)} stays as it is`, {
    description:
      "Leaves the step undone that is being undone, and goes on with the one before. Arguments: the reason, your name (optional).",
    validator: (reason: string, _by?: string) => {
      checkReason(reason);
      if (inPhase("undoing").length === 0) throw new Error("nothing is being undone: there is no undo to skip");
    },
  });
  setHandler(
    giveUp,
    (reason: string, by?: string) => `giving up at ${decide("giveUp", inPhase("undoing", "behind the pivot"), reason, by)}`,
    {
      description: "Ends the saga as it is, neither finished nor undone. Arguments: the reason, your name (optional).",
      validator: (reason: string, _by?: string) => {
        checkReason(reason);
        if (inPhase("undoing", "behind the pivot").length > 0) return;
        throw new Error(
          inPhase("before the pivot").length > 0
            ? "the saga is before its pivot: cancel the workflow, and everything is undone"
            : "no step is being tried: there is nothing to give up",
        );
      },
    },
  );
  return {
    open(effort) {
      efforts.add(effort);
      return () => void efforts.delete(effort);
    },
  };
}

function checkReason(reason: unknown): void {
  if (typeof reason !== "string" || reason.trim() === "") throw new Error("give a reason: it is kept with the saga");
}
