import type { SagaView } from "../../saga/index.ts";
import type { WorkflowRun } from "./run.ts";

/** A workflow, as far as it has come. */
export interface WorkflowSeen {
  /** Its type. */
  readonly workflow: string;
  /** `scheduled`: its delay is not over yet. */
  readonly status: "scheduled" | "running" | "completed" | "failed" | "cancelled";
  /** What it returned. */
  readonly result?: unknown;
  /** What it failed with. */
  readonly error?: Error;
  /** Where a saga is, as the query `saga` tells it. */
  readonly saga?: SagaView;
}

/** As far as the run has come. */
export function seen(run: WorkflowRun): WorkflowSeen {
  const workflow = run.order.type;
  const { end } = run;
  const saga = run.answers("saga") ? { saga: run.query("saga") as SagaView } : {};
  switch (end?.kind) {
    case undefined:
      return { workflow, status: run.hasBegun ? "running" : "scheduled", ...saga };
    case "completed":
      return { workflow, status: "completed", result: end.result, ...saga };
    case "cancelled":
      return { workflow, status: "cancelled", ...saga };
    default:
      return { workflow, status: "failed", error: end?.error as Error, ...saga };
  }
}
