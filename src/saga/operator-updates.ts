import { defineUpdate, setHandler } from "@temporalio/workflow";
import type { Intervention, SagaStatus } from "./status.ts";

export type Phase = "before the pivot" | "undoing" | "behind the pivot";
export type OperatorVerb = Intervention["verb"];

/** A step that is being tried: what operators can decide on. */
export interface StepUnderWay {
  readonly step: string;
  readonly phase: Phase;
  readonly decide: (decision: OperatorVerb) => void;
}

/** Why an operator decides so, and who it is. The Temporal UI sends one value: a sentence, or an object with both. */
type OperatorReason = string | { readonly reason?: string; readonly by?: string };

/** The updates for operators. Each answers with what it did; one that does not fit is refused, and leaves no trace. */
const retryNow = defineUpdate<string, [] | [OperatorReason]>("retryNow");
const skipUndo = defineUpdate<string, [OperatorReason]>("skipUndo");
const giveUp = defineUpdate<string, [OperatorReason]>("giveUp");

export interface OperatorUpdates {
  /** From now on operators decide on this effort, until the returned function is called. */
  open(tried: StepUnderWay): () => void;
}

export function acceptOperatorUpdates(status: SagaStatus): OperatorUpdates {
  const underWay = new Set<StepUnderWay>();
  const inPhase = (...phases: readonly Phase[]) => [...underWay].filter(({ phase }) => phases.includes(phase));
  const decide = (verb: OperatorVerb, concerned: readonly StepUnderWay[], because: OperatorReason = "") => {
    const step = concerned.map((tried) => tried.step).join(", ");
    status.note({ at: new Date().toISOString(), verb, step, ...partsOf(because) });
    for (const tried of concerned) tried.decide(verb);
    return step;
  };

  setHandler(retryNow, (because?: OperatorReason) => `trying ${decide("retryNow", [...underWay], because)} again`, {
    description: `Tries the step at once that waits for its next try. ${takes}, or nothing.`,
    validator: (_?: OperatorReason) => {
      if (underWay.size === 0) throw new Error("no step is being tried: there is nothing to try again");
    },
  });
  setHandler(skipUndo, (because: OperatorReason) => `${decide("skipUndo", inPhase("undoing"), because)} stays as it is`, {
    description: `Leaves the step as it is that is being undone, and goes on with the one before. ${takes}.`,
    validator: (because: OperatorReason) => {
      checkReason(because);
      if (inPhase("undoing").length === 0) throw new Error("nothing is being undone: there is no undo to skip");
    },
  });
  setHandler(
    giveUp,
    (because: OperatorReason) => `giving up at ${decide("giveUp", inPhase("undoing", "behind the pivot"), because)}`,
    {
      description: `Ends the saga as it is, neither finished nor undone. ${takes}.`,
      validator: (because: OperatorReason) => {
        checkReason(because);
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
    open(tried) {
      underWay.add(tried);
      return () => void underWay.delete(tried);
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
