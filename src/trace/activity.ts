/** A trace inside an activity: it comes in with the header of the call. */
import { asyncLocalStorage, type Context } from "@temporalio/activity";
import type { Headers } from "@temporalio/common";
import type { ActivityInterceptorsFactory } from "@temporalio/worker";
import { traceparentOf } from "./header.ts";

const traces = new WeakMap<Context, string>();

/** The activity of this context was called with these headers. */
export function keepTrace(context: Context, headers: Headers): void {
  const traceparent = traceparentOf(headers);
  if (traceparent !== undefined) traces.set(context, traceparent);
}

/** For workers: keeps the trace of each call. */
export const traceActivities: ActivityInterceptorsFactory = (context) => ({
  inbound: {
    execute(input, next) {
      keepTrace(context, input.headers);
      return next(input);
    },
  },
});

/** The `traceparent` of the activity that asks; undefined where it was called without one, and outside of activities. */
export function traceparentOfActivity(): string | undefined {
  const context = asyncLocalStorage.getStore();
  return context && traces.get(context);
}
