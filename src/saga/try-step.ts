import { CancellationScope, condition, isCancellation, sleep, TemporalFailure } from "@temporalio/workflow";
import type { OperatorUpdates, OperatorVerb, Phase } from "./operator-updates.ts";
import { refusalOf } from "./refusal.ts";
import type { SagaStatus } from "./status.ts";

/** How long what must succeed is tried before a person is called. */
const callPersonAfter = "10m";

/** How a step ended: with its result, or as an operator decided. */
export type StepEnd = { readonly kind: "done"; readonly value: unknown } | { readonly kind: Exclude<OperatorVerb, "retryNow"> };

export interface TryStepDeps {
  readonly status: SagaStatus;
  readonly updates: OperatorUpdates;
}

/**
 * Runs a step, again whenever an operator asks for it. Before the pivot its failure is thrown. Undoing and behind the pivot there is
 * nothing to fall back on: where its calls cannot succeed by themselves, a person is called and waited for.
 */
export async function tryStep(
  { step, phase }: { readonly step: string; readonly phase: Phase },
  run: () => Promise<unknown>,
  { status, updates }: TryStepDeps,
): Promise<StepEnd> {
  const around = CancellationScope.current();
  for (;;) {
    const scope = new CancellationScope();
    let decision: OperatorVerb | undefined;
    const close = updates.open({
      step,
      phase,
      decide: (decided) => {
        decision = decided;
        scope.cancel();
      },
    });
    try {
      // What came through in spite of the decision is done.
      return { kind: "done", value: await scope.run(run) };
    } catch (error) {
      // Not what a call answered but a mistake in the workflow's code: the task fails, and goes on once that is mended.
      if (!(error instanceof TemporalFailure)) throw error;
      if (around.consideredCancelled) throw error;
      if (phase === "before the pivot" && (decision === undefined || !isCancellation(error))) throw error;
      if (decision === undefined) {
        status.show(step, "refused");
        status.callForHelp(step, `${refusalOf(step, error).message}; it will not be tried again by itself`);
        await condition(() => decision !== undefined);
      }
    } finally {
      close();
    }
    if (decision === "skipUndo" || decision === "giveUp") return { kind: decision };
    status.show(step, phase === "undoing" ? "undoing" : "running");
  }
}

/** Runs what must succeed, out of reach of cancellation: after ten minutes a person is called, and the flag lowered when it is through. */
export const insist = <Result>(work: () => Promise<Result>, status: SagaStatus): Promise<Result> =>
  CancellationScope.nonCancellable(async () => {
    const watch = new CancellationScope();
    const late = watch.run(() => sleep(callPersonAfter, { summary: "until a person is called" }));
    late.then(
      () => {
        // Somebody may have been called before, with a better reason.
        if (status.view.needsAttention === undefined)
          status.callForHelp(status.current, `not through after ${callPersonAfter}, and still being tried`);
      },
      () => {},
    );
    try {
      return await work();
    } finally {
      watch.cancel();
      status.helped();
    }
  });
