import { AsyncLocalStorage } from "node:async_hooks";
import { type Client, WorkflowClient, type WorkflowClientInterceptor } from "@temporalio/client";
import type { Headers } from "@temporalio/common";
import { type CallWithHeaders, traceHeaders } from "../../trace/header.ts";

/** Calls to workflows, each with the trace of the event for which it is made. */
export interface TracedCalls {
  readonly workflow: WorkflowClient;
  /** What is called by `call` carries this `traceparent` in its headers. */
  within<Result>(traceparent: string | undefined, call: () => Promise<Result>): Promise<Result>;
}

/** Headers can be given by interceptors alone: so these have a client of their own, over the connection of the one that is given. */
export function tracedCalls({ connection, options }: Client): TracedCalls {
  const headers = new AsyncLocalStorage<Headers>();
  const traced = <Input extends CallWithHeaders, Result>(input: Input, next: (input: Input) => Result): Result =>
    next({ ...input, headers: { ...input.headers, ...headers.getStore() } });
  const interceptor: WorkflowClientInterceptor = { startWithDetails: traced, signal: traced, startUpdate: traced };
  const { identity, namespace, loadedDataConverter: dataConverter } = options;
  return {
    workflow: new WorkflowClient({ connection, identity, namespace, dataConverter, interceptors: [interceptor] }),
    within: (traceparent, call) => headers.run(traceHeaders(traceparent), call),
  };
}
