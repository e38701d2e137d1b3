import type { WorkflowInterceptors } from "@temporalio/workflow";
import { traceHeaders, traceparentOf } from "../../../src/trace/header.ts";

/** The id of the span that each call of an activity is given, below that of the workflow's start. */
const ofCalls = "00000000000000aa";

/** As interceptors of OpenTelemetry do it: the workflow is found by its parent, and its calls are spans of their own. */
export function interceptors(): WorkflowInterceptors {
  let parent: string | undefined;
  return {
    inbound: [
      {
        execute(input, next) {
          parent = traceparentOf(input.headers);
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) =>
          next({ ...input, headers: { ...input.headers, ...traceHeaders(below(parent ?? "")) } }),
      },
    ],
  };
}

/** Another span of the same trace. */
export const below = (traceparent: string): string => traceparent.replace(/-[\da-f]{16}-/, `-${ofCalls}-`);
