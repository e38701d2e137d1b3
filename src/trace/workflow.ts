/** A trace inside Temporal's workflow sandbox: it comes in with the header of a call, and goes on with every call that is made because of it. */
import type { AsyncLocalStorage as Storage } from "node:async_hooks";
import type { Headers } from "@temporalio/common";
import { AsyncLocalStorage, inWorkflowContext, type WorkflowInterceptors } from "@temporalio/workflow";
import { type CallWithHeaders, traceHeader, traceparentOf } from "./header.ts";

/** The headers of the calls that are under way. One for a workflow, also where its bundle holds this module twice: the host brings one, the workflow another. */
const holder = globalThis as { headraceHeaders?: Storage<Headers> };
holder.headraceHeaders ??= new AsyncLocalStorage<Headers>();
const { headraceHeaders } = holder;

/** What comes in without a trace has none: it does not take that of whatever is under way. */
const within = <Input extends CallWithHeaders, Result>(input: Input, next: (input: Input) => Result): Result =>
  headraceHeaders.run(input.headers, () => next(input));

/** What another interceptor has given a trace keeps it: that is a span below ours. */
function onward<Input extends CallWithHeaders, Result>(input: Input, next: (input: Input) => Result): Result {
  const payload = headraceHeaders.getStore()?.[traceHeader];
  if (payload === undefined || traceparentOf(input.headers) !== undefined) return next(input);
  return next({ ...input, headers: { ...input.headers, [traceHeader]: payload } });
}

/** They decide nothing and wait for nothing, so that histories of before are replayed. */
export const interceptors = (): WorkflowInterceptors => ({
  inbound: [{ execute: within, handleSignal: within, handleUpdate: within }],
  outbound: [
    {
      scheduleActivity: onward,
      scheduleLocalActivity: onward,
      startChildWorkflowExecution: onward,
      signalWorkflow: onward,
      continueAsNew: onward,
    },
  ],
});

/**
 * The `traceparent` (W3C Trace Context) of the event for which a workflow does what it does: that of its start, and in the handler of a
 * signal or an update that of the call. Whatever the workflow calls carries it on by itself; this is for a step that wants to know it.
 *
 * @returns undefined where the event carries none, and outside of workflows
 * @example
 * ```ts
 * const parcels = saga<{ weight: number }, { send(key: string, trace?: string): Promise<void> }>("parcels")
 *   .pivot("send", { do: ({ key, call }) => call.send(key, traceparent()), undo: async () => {} })
 *   .returns(() => "sent");
 * ```
 */
export const traceparent = (): string | undefined =>
  inWorkflowContext() ? traceparentOf(headraceHeaders.getStore() ?? {}) : undefined;
