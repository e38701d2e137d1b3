import { uuidOf } from "../../core/hash.ts";
import { traceHeaders } from "../../trace/header.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import type { Activity, ActivityTry } from "./activity-call.ts";
import { type RunOrder, WorkflowRun } from "./run.ts";
import type { Workflow } from "./runtime.ts";

export interface MemoryTemporalOptions {
  readonly clock: VirtualClock;
  /** By the names under which they are exported. */
  readonly workflows: Readonly<Record<string, Workflow>>;
  readonly activities: Readonly<Record<string, Activity>>;
  /** Stands around each try of an activity. @default runs it */
  readonly perform?: (tried: ActivityTry, run: () => Promise<unknown>) => Promise<unknown>;
}

/** A try that waits for longer does not keep the others from resting, milliseconds. */
const restMs = 5_000;

/**
 * What stands for Temporal in tests: workflows run on its own runtime, and server, timers and tries of activities are in memory, on a
 * virtual clock. It passes the same suite, `test/services/sagas/saga.test.ts`.
 */
export class MemoryTemporal {
  /** Those of a call that is made for an event with this `traceparent`. Here, since who calls is loaded before Temporal's library. */
  readonly headersFor = traceHeaders;
  readonly #options: MemoryTemporalOptions;
  readonly #runs = new Map<string, WorkflowRun>();
  #made = 0;

  constructor(options: MemoryTemporalOptions) {
    this.#options = options;
  }

  get runs(): readonly WorkflowRun[] {
    return [...this.#runs.values()];
  }

  /** Whether nothing goes on but timers, and tries that are far away. */
  get isResting(): boolean {
    return this.runs.every((run) => run.end !== undefined || !run.busyWithin(restMs));
  }

  find(workflowId: string): WorkflowRun | undefined {
    return this.#runs.get(workflowId);
  }

  /**
   * Starts a workflow. @returns undefined where one of that id is there, and `reuse` does not allow for another
   * @param reuse `closed`: once the one before has ended. @default `never`
   */
  start(
    order: RunOrder,
    { reuse = "never", delayMs = 0 }: { readonly reuse?: "never" | "closed"; readonly delayMs?: number } = {},
  ) {
    const known = this.#runs.get(order.workflowId);
    if (known && (reuse === "never" || !known.end)) return undefined;
    const { clock, workflows, activities, perform = (_, run) => run() } = this.#options;
    const run = new WorkflowRun(order, {
      ...{ clock, workflows, activities, perform },
      start: (child) => this.start(child, { reuse: "closed" }),
      find: (workflowId) => this.find(workflowId),
      newRunId: () => uuidOf(`run ${this.#made++}`),
    });
    this.#runs.set(order.workflowId, run);
    if (delayMs === 0) run.begin();
    else void clock.sleep(delayMs).then(() => run.begin());
    return run;
  }
}
