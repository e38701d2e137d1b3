import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  isCancellation,
  TemporalFailure,
  workflowInfo,
} from "@temporalio/workflow";
import { boundedCalls, endlessCalls } from "./calls.ts";
import { type AnyContext, type Chain, planOf, type Returns, type Step } from "./chain.ts";
import { acceptOperatorUpdates } from "./operator-updates.ts";
import { refusalOf, type SagaRefusal } from "./refusal.ts";
import { openStatus } from "./status.ts";
import { insist, tryStep } from "./try-step.ts";

/**
 * Runs a saga inside a workflow. Its state is local to the run, so a replay makes the same decisions.
 *
 *   running ──(all done)──▶ completed
 *      │ └──(behind the pivot, an operator gives up)──▶ given up
 *      └──(before the pivot's end: refusal, fault, cancellation)──▶ undoing ──▶ undone | undone in part | given up
 */
export async function runSaga(chain: Chain, returns: Returns, input: unknown): Promise<unknown> {
  const status = openStatus(planOf(chain));
  const updates = acceptOperatorUpdates(status);
  const { workflowId } = workflowInfo();
  const done: Record<string, unknown> = {};
  const begun: Step[] = [];
  const keyOf = (step: string) => `${workflowId}/${step}`;
  const contextOf = (name: string, call: object): AnyContext => ({ input, done, key: keyOf(name), keyOf, call });

  const isLeftOut = (step: Step) => step.when !== undefined && !step.when({ input, done });

  const runReversible = async (step: Step): Promise<void> => {
    if (isLeftOut(step)) return status.show(step.name, "left out");
    if (CancellationScope.current().consideredCancelled)
      throw new StepFailed(step.name, new CancelledFailure("the saga was cancelled"));
    status.show(step.name, "running");
    // Before the do: a reply that is lost must still be undone.
    if (step.undo) begun.push(step);
    const context = contextOf(step.name, boundedCalls(step.name, step.calls));
    const tried = await tryStep({ step: step.name, phase: "before the pivot" }, () => step.do(context), {
      status,
      updates,
    }).catch((error) => {
      if (!(error instanceof TemporalFailure)) throw error;
      status.show(step.name, isCancellation(error) ? "cancelled" : "failed");
      throw new StepFailed(step.name, error);
    });
    if (tried.kind === "done") done[step.name] = tried.value;
    status.show(step.name, "done");
  };

  const runForward = async (step: Step): Promise<void> => {
    if (isLeftOut(step)) return status.show(step.name, "left out");
    status.show(step.name, "running");
    const context = contextOf(step.name, endlessCalls(step.name, step.calls));
    const tried = await tryStep({ step: step.name, phase: "behind the pivot" }, () => step.do(context), { status, updates });
    if (tried.kind !== "done") throw givenUp(step.name);
    done[step.name] = tried.value;
    status.show(step.name, "done");
  };

  const undoAll = async (refusal: SagaRefusal): Promise<void> => {
    for (const step of begun.reverse()) {
      status.show(step.name, "undoing");
      const context = contextOf(step.name, endlessCalls(`undo ${step.name}`, step.undoCalls));
      const undo = async () => step.undo?.({ ...context, result: done[step.name] });
      const tried = await tryStep({ step: step.name, phase: "undoing" }, undo, { status, updates });
      if (tried.kind === "giveUp") throw givenUp(step.name);
      status.show(step.name, tried.kind === "done" ? "undone" : "undo skipped");
    }
    const tell = async () => chain.whenUndone?.({ ...contextOf("undone", endlessCalls("undone")), refusal });
    const told = await tryStep({ step: "undone", phase: "undoing" }, tell, { status, updates });
    if (told.kind === "giveUp") throw givenUp("undone");
  };

  const givenUp = (step: string): ApplicationFailure => {
    status.show(step, "given up");
    status.end("given up", step);
    const { steps, interventions } = status.view;
    return ApplicationFailure.create({
      type: "SagaGivenUp",
      nonRetryable: true,
      message: `given up at '${step}': ${interventions.at(-1)?.reason ?? ""}; what the other systems hold of it is for a person to settle`,
      details: [{ step, steps, interventions }],
    });
  };

  const pivot = chain.groups.findIndex((group) => group.some(({ kind }) => kind === "pivot"));
  try {
    for (const group of chain.groups.slice(0, pivot + 1)) await sideBySide(group, runReversible);
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    const refusal = refusalOf(error.step, error.cause);
    status.end("undoing", error.step);
    await insist(() => undoAll(refusal), status);
    const skipped = status.view.steps.filter(({ state }) => state === "undo skipped").map(({ name }) => name);
    status.end(skipped.length === 0 ? "undone" : "undone in part");
    if (isCancellation(error.cause)) throw error.cause;
    throw ApplicationFailure.create({
      type: "SagaUndone",
      nonRetryable: true,
      category: "BENIGN",
      message: `refused at '${refusal.step}': ${refusal.message}; everything before it was undone${skipped.length === 0 ? "" : `, but for ${skipped.join(", ")}`}`,
      details: [{ ...refusal, ...(skipped.length > 0 && { skipped }) }],
      cause: error.cause,
    });
  }
  await insist(async () => {
    for (const group of chain.groups.slice(pivot + 1)) await sideBySide(group, runForward);
  }, status);
  status.end("completed");
  return returns({ input, done });
}

/** Runs steps side by side. One that fails cancels the others; it is thrown once all have stopped. */
async function sideBySide(steps: readonly Step[], run: (step: Step) => Promise<void>): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  const scope = new CancellationScope();
  await scope.run(() =>
    Promise.all(
      steps.map((step) =>
        run(step).catch((error: unknown) => {
          failure ??= { error };
          scope.cancel();
        }),
      ),
    ),
  );
  if (failure) throw failure.error;
}

/** A step before the pivot did not come through. It never leaves the saga. */
class StepFailed extends Error {
  readonly step: string;
  override readonly cause: TemporalFailure;

  constructor(step: string, cause: TemporalFailure) {
    super(step);
    this.step = step;
    this.cause = cause;
  }
}
