import {
  isGrpcServiceError,
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from "@temporalio/client";
import { messageOf } from "../../core/errors.ts";

/** gRPC status codes, from the gRPC specification ("Status codes and their use in gRPC"). */
const grpc = {
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  unauthenticated: 16,
} as const;

export type CallFailure =
  /** There is a workflow of this id, running or closed: the work is under way or done. */
  | { readonly kind: "exists" }
  /** This input can never be taken: it is no payload, the workflow refuses it, or there is no such workflow. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Namespace or rights: nothing can be started until a person changes something. */
  | { readonly kind: "stop"; readonly reason: string }
  | { readonly kind: "retry"; readonly reason: string };

/** Sorts what a start, a signal or an update threw. Unknown failures are retried: all of them are safe to repeat. */
export function sortCallError(error: unknown): CallFailure {
  if (error instanceof WorkflowExecutionAlreadyStartedError) return { kind: "exists" };
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
  switch (cause.code) {
    case grpc.invalidArgument:
    case grpc.outOfRange:
    case grpc.failedPrecondition:
      // No fault of the row. A server knows new attributes some seconds after they were made.
      return /search attribute/i.test(reason) && /no mapping|not defined/i.test(reason)
        ? { kind: "retry", reason: `${reason}: run 'headrace migrate --apply'` }
        : { kind: "refused", reason };
    case grpc.notFound:
    case grpc.permissionDenied:
    case grpc.unauthenticated:
    case grpc.unimplemented:
      return { kind: "stop", reason };
    default:
      // RESOURCE_EXHAUSTED is also what a message over the size limit gets; that one never fits.
      return /larger than max|exceeds (size )?limit|message too large/i.test(reason)
        ? { kind: "refused", reason }
        : { kind: "retry", reason };
  }
}
