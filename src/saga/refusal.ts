import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure, isCancellation, TimeoutFailure } from "@temporalio/workflow";

/** Why a saga was undone. */
export interface SagaRefusal {
  /** The step that was refused. */
  readonly step: string;
  /** The type of the failure, such as `PaymentDeclined`; `Cancelled`; `Fault` where it was no refusal. */
  readonly type: string;
  /** What was said. */
  readonly message: string;
}

/** An activity's refusal arrives wrapped; its type is what the participant threw. */
export function refusalOf(step: string, error: unknown): SagaRefusal {
  if (isCancellation(error)) return { step, type: "Cancelled", message: "the saga was cancelled" };
  const inner = innermost(error);
  const type = inner instanceof ApplicationFailure && isFinal(inner) ? (inner.type ?? "Refused") : "Fault";
  return { step, type, message: messageOf(inner) };
}

const innermost = (error: unknown): unknown =>
  error instanceof ActivityFailure || error instanceof ChildWorkflowFailure ? error.cause : error;

/** Of a call that had no time for another try, what its last try met: the SDK leaves it in the failure as the server sent it. */
function messageOf(inner: unknown): string {
  const last = inner instanceof TimeoutFailure ? inner.failure?.cause : undefined;
  if (last?.message && !last.encodedAttributes) return last.message;
  return inner instanceof Error ? inner.message : String(inner);
}

const isFinal = (failure: unknown): boolean => failure instanceof ApplicationFailure && failure.nonRetryable === true;
