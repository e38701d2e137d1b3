import {
  isGrpcServiceError,
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from "@temporalio/client";
import { NamespaceNotFoundError } from "@temporalio/common";
import { messageOf } from "../../core/errors.ts";

export type CallFailure =
  /** There is a workflow of this id, running or closed: the work is under way or done. */
  { readonly kind: "exists" } | Said;

/** What the server says when it does not take a call. */
type Said =
  /** This input can never be taken: it is no payload, the workflow refuses it, or there is no such workflow. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Namespace or rights: nothing can be started until a person changes something. */
  | { readonly kind: "stop"; readonly reason: string }
  | { readonly kind: "retry"; readonly reason: string };

/** Sorts what a start, a signal or an update threw. Unknown failures are retried: all of the calls are safe to repeat. */
export function sortCallError(error: unknown): CallFailure {
  if (error instanceof WorkflowExecutionAlreadyStartedError) return { kind: "exists" };
  if (error instanceof NamespaceNotFoundError) return { kind: "stop", reason: `there is no namespace '${error.namespace}'` };
  if (error instanceof WorkflowNotFoundError) return { kind: "refused", reason: `no workflow '${error.workflowId}' runs` };
  if (error instanceof WorkflowUpdateFailedError) return { kind: "refused", reason: messageOf(error.cause ?? error) };
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return { kind: "retry", reason: messageOf(error) };
  const cause = error instanceof ServiceError ? error.cause : error;
  const reason = messageOf(cause ?? error);
  if (!isGrpcServiceError(cause)) {
    // What the client itself refuses before it sends: a value that cannot be converted to a payload.
    return error instanceof TypeError || (error instanceof Error && error.name === "ValueError")
      ? { kind: "refused", reason }
      : { kind: "retry", reason };
  }
  const exception = exceptions.find(({ code, when }) => code === cause.code && when.test(reason));
  if (exception) return { kind: exception.kind, reason: exception.wayOut ? `${reason}: ${exception.wayOut}` : reason };
  return { kind: kinds[cause.code as GrpcCode] ?? "retry", reason };
}

/** gRPC's status codes (grpc.io, "Status codes and their use in gRPC") but OK. */
type GrpcCode = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16;

/**
 * What each status says of a call. What may be better later waits, whatever it is: a row is refused only where the server says that
 * the fault is in it.
 */
const kinds: Readonly<Record<GrpcCode, Said["kind"]>> = {
  /* CANCELLED */ 1: "retry",
  /* UNKNOWN */ 2: "retry",
  /* INVALID_ARGUMENT */ 3: "refused",
  /* DEADLINE_EXCEEDED */ 4: "retry",
  /* NOT_FOUND: the namespace; a workflow that is not there has an error of its own */ 5: "stop",
  /* ALREADY_EXISTS: a workflow that is there has an error of its own */ 6: "refused",
  /* PERMISSION_DENIED */ 7: "stop",
  /* RESOURCE_EXHAUSTED */ 8: "retry",
  /* FAILED_PRECONDITION: not the row, but the state of the system; a namespace that fails over is active elsewhere for a while */ 9: "retry",
  /* ABORTED */ 10: "retry",
  /* OUT_OF_RANGE */ 11: "refused",
  /* UNIMPLEMENTED */ 12: "stop",
  /* INTERNAL */ 13: "retry",
  /* UNAVAILABLE */ 14: "retry",
  /* DATA_LOSS: the history of the workflow that was called */ 15: "refused",
  /* UNAUTHENTICATED */ 16: "stop",
};

/** Where the text says more than the status. */
const exceptions: readonly {
  readonly code: GrpcCode;
  readonly when: RegExp;
  readonly kind: Said["kind"];
  readonly wayOut?: string;
}[] = [
  // No fault of the row. A server knows new attributes some seconds after they were made.
  {
    code: 3,
    when: /search attribute.*(no mapping|not defined)|(no mapping|not defined).*search attribute/i,
    kind: "retry",
    wayOut: "run 'headrace migrate --apply'",
  },
  // Too much now is one thing; what is over the size limit never fits.
  { code: 8, when: /larger than max|exceeds (size )?limit|message too large/i, kind: "refused" },
  // A workflow that has taken all its updates takes no more.
  { code: 9, when: /(limit|number) .*updates.* reached/i, kind: "refused" },
  // Deprecated or deleted: it stays so.
  { code: 9, when: /namespace has invalid state/i, kind: "stop" },
];
