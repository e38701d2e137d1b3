import type { Client } from "@temporalio/client";
import { defineSearchAttributeKey, type SearchAttributePair } from "@temporalio/common";
import type { Clock } from "../../core/clock.ts";
import { ConfigError, RetryableError } from "../../core/errors.ts";
import { halvedIn, isHalved, mayBeHalved } from "../../core/half-character.ts";
import type { Logger } from "../../core/log.ts";
import { Outage } from "../../core/outage.ts";
import type { RateLimit } from "../../core/rate-limit.ts";
import { retry } from "../../core/retry.ts";
import type { SearchAttributePlan, WorkflowCallPlan, WorkflowSinkPlan } from "../../plan/plan.ts";
import type { Telemetry } from "../../telemetry/port.ts";
import { createSinkGuards, guardedCall, type SinkGuards } from "../guarded-call.ts";
import type { Rejected, Sink, WriteResult } from "../port.ts";
import { sortCallError } from "./errors.ts";
import { type TracedCalls, tracedCalls } from "./traced-calls.ts";

export interface TemporalSinkDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends all waiting: writes under way reject. */
  readonly signal: AbortSignal;
  /** Those of all that call this workflow. */
  readonly guards?: SinkGuards;
  /** @default nobody is told */
  readonly telemetry?: Telemetry;
}

/** The guards of a plan, to be shared by all sinks of one target. */
export const createCallGuards = (
  { guards, call }: WorkflowSinkPlan,
  deps: Pick<TemporalSinkDeps, "clock" | "logger" | "telemetry"> & { readonly limit?: RateLimit | undefined },
): SinkGuards => createSinkGuards(guards, { ...deps, name: nameOf(call), limit: deps.limit });

/**
 * How one row ended. A start: a new run, a run that was under way, one that had finished before, or none, since it comes too late to be of
 * use. A signal or an update: it was taken. Each is confirmed.
 */
type CallEnd = "started" | "joined" | "alreadyDone" | "stale" | "signalled" | "updated";

/**
 * Starts, signals or updates a workflow for each row. A workflow is started once for each id, however often the row comes. Rows of one
 * write go side by side, up to the plan's concurrency; a row that cannot be sent yet is tried again and keeps its place.
 */
export class TemporalSink implements Sink {
  readonly #plan: WorkflowSinkPlan;
  readonly #deps: TemporalSinkDeps;
  readonly #guards: SinkGuards;
  readonly #outage: Outage;
  readonly #calls: TracedCalls;
  #inFlight = 0;

  constructor(plan: WorkflowSinkPlan, deps: TemporalSinkDeps) {
    this.#plan = plan;
    this.#deps = deps;
    this.#outage = new Outage({ began: "Temporal is not ready, trying again", over: "Temporal answers again" }, deps);
    this.#guards = deps.guards ?? createCallGuards(plan, deps);
    this.#calls = tracedCalls(deps.client);
  }

  get inFlightRows(): number {
    return this.#inFlight;
  }

  async write(rows: readonly unknown[], _bytes?: number, traces?: ReadonlyMap<number, string>): Promise<WriteResult> {
    this.#inFlight += rows.length;
    try {
      const counts: Record<string, number> = this.#plan.call.kind === "start" ? { started: 0, joined: 0, alreadyDone: 0 } : {};
      const rejected: Rejected[] = [];
      let next = 0;
      const sendInTurn = async () => {
        for (let row = next++; row < rows.length; row = next++) {
          const result = await this.#send(rows[row], traces?.get(row));
          if (typeof result === "string") counts[result] = (counts[result] ?? 0) + 1;
          else rejected.push({ row, reason: result.reason });
        }
      };
      await Promise.all(Array.from({ length: Math.min(this.#plan.concurrency, rows.length) }, sendInTurn));
      return { rejected: rejected.sort((one, other) => one.row - other.row), counts };
    } finally {
      this.#inFlight -= rows.length;
    }
  }

  async close(): Promise<void> {}

  async #send(input: unknown, traceparent: string | undefined): Promise<CallEnd | { readonly reason: string }> {
    const { call, timeoutMs, retry: backoff } = this.#plan;
    const { client, clock, signal, telemetry } = this.#deps;
    const about = { call: nameOf(call) };
    if (call.kind === "start" && call.notAfter && clock.now() > call.notAfter(input).getTime()) return "stale";
    const workflowId = this.#plan.workflowId(input);
    if (sendsHalf(call, { workflowId, input })) return { reason: `half-character: ${halvedIn("workflow's input")}` };
    const send = () => {
      signal.throwIfAborted();
      const traced = () => this.#calls.within(traceparent, () => this.#call(workflowId, input));
      const sent = () => client.withDeadline(Date.now() + timeoutMs, traced);
      return guardedCall(sent, { guards: this.#guards, signal, isFailure });
    };
    const onFailure = (error: unknown, waiting: { readonly failed: number; readonly waitMs: number }) => {
      const failure = sortCallError(error);
      if (failure.kind !== "retry") return;
      this.#outage.failed(new RetryableError("temporal.retry", failure.reason, { cause: error }), about);
      telemetry?.retry?.({ of: "call", ...about, ...waiting, code: "temporal.retry" });
    };
    try {
      const ended = await retry(send, { ...backoff, clock, signal, mayPass: isFailure, onFailure });
      this.#outage.over(about);
      return ended;
    } catch (error) {
      const failure = sortCallError(error);
      if (failure.kind !== "retry") this.#outage.over(about);
      switch (failure.kind) {
        case "exists":
          return (await this.#isRunning(workflowId)) ? "joined" : "alreadyDone";
        case "refused":
          return { reason: failure.reason };
        case "stop":
          throw new ConfigError("temporal.refused", `Temporal refuses the ${nameOf(call)}: ${failure.reason}`, {
            cause: error,
            hint: "Check TEMPORAL_NAMESPACE and the rights of its key.",
          });
        case "retry":
          // It is tried until the signal aborts.
          signal.throwIfAborted();
          throw error;
        default:
          return failure satisfies never;
      }
    }
  }

  async #call(workflowId: string, input: unknown): Promise<CallEnd> {
    const { call } = this.#plan;
    const { workflow } = this.#calls;
    switch (call.kind) {
      case "start":
        await workflow.start(call.workflow, {
          taskQueue: call.taskQueue,
          workflowId,
          args: [input],
          ...(call.delayMs !== undefined && { startDelay: call.delayMs }),
          ...(call.summary && { staticSummary: call.summary(input) }),
          ...(call.searchAttributes && { typedSearchAttributes: attributePairs(call.searchAttributes, input) }),
          // One run an id, running or closed: what comes again must not run again.
          workflowIdReusePolicy: "REJECT_DUPLICATE",
          workflowIdConflictPolicy: "FAIL",
        });
        return "started";
      case "signal":
        await workflow.getHandle(workflowId).signal(call.name, input);
        return "signalled";
      case "update": {
        const { eventId } = input as { readonly eventId: string };
        await workflow.getHandle(workflowId).executeUpdate<unknown, [unknown]>(call.name, { args: [input], updateId: eventId });
        return "updated";
      }
      default:
        return call satisfies never;
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
}

/** The SDK spells types in capitals, and a pair for each type; values were checked where they were declared, by their types. */
const attributePairs = (attributes: Readonly<Record<string, SearchAttributePlan>>, input: unknown): SearchAttributePair[] =>
  Object.entries(attributes).flatMap(([name, { type, value }]) => {
    const found = value(input);
    const key = defineSearchAttributeKey(name, type === "KeywordList" ? "KEYWORD_LIST" : (type.toUpperCase() as "KEYWORD"));
    return found === undefined ? [] : [{ key, value: found } as SearchAttributePair];
  });

/** Whether what would be sent holds half a character: Temporal takes no such id, and other languages cannot read the rest. */
function sendsHalf(call: WorkflowCallPlan, sent: { readonly workflowId: string; readonly input: unknown }): boolean {
  try {
    const { summary, searchAttributes = undefined } = call.kind === "start" ? call : { summary: undefined };
    const attributes = Object.values(searchAttributes ?? {}).map(({ value }) => value(sent.input));
    const json = JSON.stringify({
      ...sent,
      attributes,
      summary: summary?.(sent.input),
    });
    return mayBeHalved(json) && isHalved(JSON.parse(json));
  } catch {
    // The client says what is wrong with it.
    return false;
  }
}

const isFailure = (error: unknown): boolean => sortCallError(error).kind === "retry";

const nameOf = (call: WorkflowCallPlan): string =>
  call.kind === "start" ? `workflow '${call.workflow}'` : `${call.kind} '${call.name}'`;
