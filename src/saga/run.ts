import { defineSearchAttributeKey } from "@temporalio/common";
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
} from "@temporalio/workflow";

/** Why a saga was undone. */
export interface Refusal {
  readonly step: string;
  /** The type of the failure, such as `PaymentDeclined`; `Fault` where it was no refusal. */
  readonly type: string;
  readonly message: string;
}

/** What operators filter by in the Temporal UI. The server has to know these attributes. */
const keyword = (name: string) => {
  const key = defineSearchAttributeKey(name, "KEYWORD");
  return { is: (value: string) => ({ key, value }) };
};
const sagaStep = keyword("SagaStep");
const sagaOutcome = keyword("SagaOutcome");

type Context = { readonly input: unknown; readonly done: Readonly<Record<string, unknown>>; readonly key: string };

export interface SagaStep {
  readonly name: string;
  readonly kind: "reversible" | "pivot" | "forward";
  readonly do: (context: Context & { readonly refusal?: Refusal }) => Promise<unknown>;
  readonly undo: ((context: Context & { readonly result: unknown }) => Promise<unknown>) | undefined;
}

export interface SagaPlan {
  readonly steps: readonly SagaStep[];
  readonly whenUndone: SagaStep["do"] | undefined;
  readonly result: (context: { readonly input: unknown; readonly done: Readonly<Record<string, unknown>> }) => unknown;
}

type StepState = "waiting" | "running" | "done" | "failed" | "undoing" | "undone";

/** Runs a saga inside a workflow. Its state is local to the run, so a replay makes the same decisions. */
export async function runSaga({ steps, whenUndone, result }: SagaPlan, input: unknown): Promise<unknown> {
  const { workflowId } = workflowInfo();
  const done: Record<string, unknown> = {};
  const begun: SagaStep[] = [];
  const states = new Map<string, StepState>(steps.map((step) => [step.name, "waiting"]));
  const context = (step: string): Context => ({ input, done, key: `${workflowId}/${step}` });
  const show = (step: string, state: StepState) => {
    states.set(step, state);
    setCurrentDetails(["| step | state |", "|---|---|", ...[...states].map(([name, at]) => `| ${name} | ${at} |`)].join("\n"));
  };
  const run = async (step: SagaStep) => {
    show(step.name, "running");
    // Before the do: a reply that is lost must still be undone.
    if (step.undo) begun.push(step);
    done[step.name] = await step.do(context(step.name));
    show(step.name, "done");
  };

  const forward = steps.findIndex((step) => step.kind === "forward");
  const reversible = forward < 0 ? steps : steps.slice(0, forward);
  let at = "";
  try {
    for (const step of reversible) {
      at = step.name;
      await run(step);
    }
  } catch (cause) {
    show(at, "failed");
    const refusal = refusalOf(at, cause);
    upsertSearchAttributes([sagaStep.is(at), sagaOutcome.is("undoing")]);
    await CancellationScope.nonCancellable(async () => {
      for (const step of begun.reverse()) {
        show(step.name, "undoing");
        await step.undo?.({ ...context(step.name), result: done[step.name] });
        show(step.name, "undone");
      }
      await whenUndone?.({ ...context("undone"), refusal });
    });
    upsertSearchAttributes([sagaOutcome.is("undone")]);
    if (isCancellation(cause)) throw cause;
    throw ApplicationFailure.create({
      type: "SagaUndone",
      nonRetryable: true,
      category: "BENIGN",
      message: `refused at '${refusal.step}': ${refusal.message}; everything before it was undone`,
      details: [refusal],
      ...(cause instanceof Error && { cause }),
    });
  }
  await CancellationScope.nonCancellable(async () => {
    for (const step of forward < 0 ? [] : steps.slice(forward)) await run(step);
  });
  upsertSearchAttributes([sagaOutcome.is("completed")]);
  return result({ input, done });
}

/** An activity's refusal arrives wrapped; its type is what the participant threw. */
function refusalOf(step: string, cause: unknown): Refusal {
  if (isCancellation(cause)) return { step, type: "Cancelled", message: "the saga was cancelled" };
  const inner = cause instanceof ActivityFailure ? cause.cause : cause;
  const type = inner instanceof ApplicationFailure && inner.nonRetryable ? (inner.type ?? "Refused") : "Fault";
  return { step, type, message: inner instanceof Error ? inner.message : String(inner) };
}
