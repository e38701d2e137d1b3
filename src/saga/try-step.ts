import { CancellationScope, condition, isCancellation, sleep, TemporalFailure } from "@temporalio/workflow";
import type { Board } from "./board.ts";
import type { Decision, Desk, Phase } from "./desk.ts";
import { refusalOf } from "./refusal.ts";

/** How long what must succeed is tried before a person is called. */
const patience = "10m";

/** How a step ended: with its result, or as an operator decided. */
export type Tried = { readonly kind: "done"; readonly value: unknown } | { readonly kind: Exclude<Decision, "retryNow"> };

export interface Trying {
  readonly board: Board;
  readonly desk: Desk;
}

/**
 * Runs a step, again whenever an operator asks for it. Before the pivot its failure is thrown. Undoing and behind the pivot there is
 * nothing to fall back on: where its calls cannot succeed by themselves, a person is called and waited for.
 */
export async function tryStep(
  { step, phase }: { readonly step: string; readonly phase: Phase },
  run: () => Promise<unknown>,
  { board, desk }: Trying,
): Promise<Tried> {
  const around = CancellationScope.current();
  for (;;) {
    const scope = new CancellationScope();
    let decision: Decision | undefined;
    const close = desk.open({
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
        board.show(step, "refused");
        board.callForHelp(step, `${refusalOf(step, error).message}; it will not be tried again by itself`);
        await condition(() => decision !== undefined);
      }
    } finally {
      close();
    }
    if (decision === "skipUndo" || decision === "giveUp") return { kind: decision };
    board.show(step, phase === "undoing" ? "undoing" : "running");
  }
}

/** Runs what must succeed, out of reach of cancellation: after ten minutes a person is called, and the flag lowered when it is through. */
export const insist = <Result>(work: () => Promise<Result>, board: Board): Promise<Result> =>
  CancellationScope.nonCancellable(async () => {
    const watch = new CancellationScope();
    const late = watch.run(() => sleep(patience, { summary: "until a person is called" }));
    late.then(
      () => {
        // Somebody may have been called before, with a better reason.
        if (board.view.needsAttention === undefined)
          board.callForHelp(board.current, `not through after ${patience}, and still being tried`);
      },
      () => {},
    );
    try {
      return await work();
    } finally {
      watch.cancel();
      board.helped();
    }
  });
