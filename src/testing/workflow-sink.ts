import { messageOf } from "../core/errors.ts";
import type { WorkflowSinkPlan } from "../plan/plan.ts";
import type { Rejected, Sink } from "../sinks/port.ts";
import type { MemoryTemporal } from "./temporal/server.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Starts, signals and updates workflows in memory, as the sink of Temporal does it on a server. */
export const createWorkflowSink = (
  { call, workflowId }: WorkflowSinkPlan,
  { temporal, clock }: { readonly temporal: () => Promise<MemoryTemporal>; readonly clock: VirtualClock },
): Sink => {
  const send = async (
    server: MemoryTemporal,
    input: unknown,
    traceparent: string | undefined,
  ): Promise<string | { readonly reason: string }> => {
    const id = workflowId(input);
    const headers = server.headersFor(traceparent);
    if (call.kind === "start") {
      const { workflow: type, taskQueue, delayMs, notAfter } = call;
      if (notAfter && clock.now() > notAfter(input).getTime()) return "stale";
      const known = server.find(id);
      if (known) return known.end ? "alreadyDone" : "joined";
      server.start({ type, workflowId: id, taskQueue, args: [input], headers }, { ...(delayMs !== undefined && { delayMs }) });
      return "started";
    }
    const run = server.find(id);
    if (!run || run.end) return { reason: `no workflow '${id}' runs` };
    if (call.kind === "signal") {
      run.signal(call.name, [input], headers);
      return "signalled";
    }
    const { eventId } = input as { readonly eventId: string };
    return run.update(call.name, [input], { id: eventId, headers }).then(
      () => "updated",
      (error: unknown) => ({ reason: messageOf((error as { readonly cause?: unknown }).cause ?? error) }),
    );
  };
  return {
    inFlightRows: 0,
    async write(rows, _bytes, traces) {
      const server = await temporal();
      const counts: Record<string, number> = call.kind === "start" ? { started: 0, joined: 0, alreadyDone: 0 } : {};
      const rejected: Rejected[] = [];
      for (const [row, input] of rows.entries()) {
        const result = await send(server, input, traces?.get(row));
        if (typeof result === "string") counts[result] = (counts[result] ?? 0) + 1;
        else rejected.push({ row, reason: result.reason });
      }
      return { rejected, counts };
    },
    async close() {},
  };
};
