import type { Client } from "@temporalio/client";
import { backoffMs } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { ConfigError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { RateLimit } from "../../core/rate-limit.ts";
import type { WorkflowSinkPlan } from "../../plan/plan.ts";
import { createSinkGuards, guardedCall, type SinkGuards } from "../guarded-call.ts";
import type { Rejected, Sink, WriteResult } from "../port.ts";
import { sortStartError } from "./errors.ts";

export interface TemporalSinkDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends all waiting: writes under way reject. */
  readonly signal: AbortSignal;
  /** The limit of the plan's guards. */
  readonly limit?: RateLimit | undefined;
}

/** How one row ended: a new run, a run that was under way, or one that had finished before. Each is confirmed. */
type Started = "started" | "joined" | "alreadyDone";

/**
 * Starts a workflow for each row, once for each workflow id, however often the row comes. Rows of one write start side
 * by side, up to the plan's concurrency; a row that cannot be started yet is tried again and keeps its place.
 */
export class TemporalSink implements Sink {
  readonly #plan: WorkflowSinkPlan;
  readonly #deps: TemporalSinkDeps;
  readonly #guards: SinkGuards;
  #inFlight = 0;
  #failing = false;

  constructor(plan: WorkflowSinkPlan, deps: TemporalSinkDeps) {
    this.#plan = plan;
    this.#deps = deps;
    const { clock, logger, limit } = deps;
    this.#guards = createSinkGuards(plan.guards, { name: `workflow '${plan.workflow}'`, clock, logger, limit });
  }

  get inFlightRows(): number {
    return this.#inFlight;
  }

  async write(rows: readonly unknown[]): Promise<WriteResult> {
    this.#inFlight += rows.length;
    try {
      const counts: Record<Started, number> = { started: 0, joined: 0, alreadyDone: 0 };
      const rejected: Rejected[] = [];
      let next = 0;
      const lane = async () => {
        for (let row = next++; row < rows.length; row = next++) {
          const result = await this.#start(rows[row]);
          if (typeof result === "string") counts[result]++;
          else rejected.push({ row, reason: result.reason });
        }
      };
      await Promise.all(Array.from({ length: Math.min(this.#plan.concurrency, rows.length) }, lane));
      return { rejected, counts };
    } finally {
      this.#inFlight -= rows.length;
    }
  }

  async close(): Promise<void> {}

  async #start(input: unknown): Promise<Started | { readonly reason: string }> {
    const { workflow, taskQueue, delayMs, timeoutMs, retry } = this.#plan;
    const { client, clock, logger, signal } = this.#deps;
    const workflowId = (this.#plan.workflowId as (input: unknown) => string)(input);
    const start = () =>
      client.workflow.start(workflow, {
        taskQueue,
        workflowId,
        args: [input],
        ...(delayMs !== undefined && { startDelay: delayMs }),
        // One run an id, running or closed: what comes again must not run again.
        workflowIdReusePolicy: "REJECT_DUPLICATE",
        workflowIdConflictPolicy: "FAIL",
      });
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      try {
        await guardedCall(() => client.withDeadline(Date.now() + timeoutMs, start), { guards: this.#guards, signal, isFailure });
        this.#recovered();
        return "started";
      } catch (error) {
        const failure = sortStartError(error);
        if (failure.kind === "exists") return (await this.#isRunning(workflowId)) ? "joined" : "alreadyDone";
        if (failure.kind === "refused") return { reason: failure.reason };
        if (failure.kind === "stop") {
          throw new ConfigError("temporal.refused", `Temporal refuses to start '${workflow}': ${failure.reason}`, {
            cause: error,
            hint: "Check TEMPORAL_NAMESPACE and the rights of its key.",
          });
        }
        if (!this.#failing) logger.warn({ workflow, error: failure.reason }, "Temporal is not ready, trying again");
        this.#failing = true;
        await clock.sleep(backoffMs(attempt, retry), signal);
      }
    }
  }

  /** Only for the counts, so a failure to look is no failure: its history may be gone by now. */
  async #isRunning(workflowId: string): Promise<boolean> {
    const { client } = this.#deps;
    const found = await client
      .withDeadline(Date.now() + this.#plan.timeoutMs, () => client.workflow.getHandle(workflowId).describe())
      .catch(() => undefined);
    return found?.status.name === "RUNNING";
  }

  #recovered(): void {
    if (this.#failing) this.#deps.logger.info({ workflow: this.#plan.workflow }, "Temporal answers again");
    this.#failing = false;
  }
}

const isFailure = (error: unknown): boolean => sortStartError(error).kind === "retry";
