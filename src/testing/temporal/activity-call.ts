import { asyncLocalStorage, Context, type Info } from "@temporalio/activity";
import {
  ActivityFailure,
  ApplicationFailure,
  arrayFromPayloads,
  CancelledFailure,
  defaultFailureConverter,
  defaultPayloadConverter,
  TemporalFailure,
  TimeoutFailure,
} from "@temporalio/common";
import { noopMetricMeter } from "@temporalio/common/lib/metrics.js";
import { optionalTsToMs } from "@temporalio/common/lib/time.js";
import { keepTrace } from "../../trace/activity.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import type { Command, Job } from "./runtime.ts";

type Order = NonNullable<Command["scheduleActivity"]>;
export type Resolution = NonNullable<NonNullable<Job["resolveActivity"]>["result"]>;
export type Activity = (...args: never[]) => unknown;

/** A try of an activity. */
export interface ActivityTry {
  readonly workflowId: string;
  readonly activity: string;
  /** The name of the step in a saga, or `undo <step>`; a number in other workflows. */
  readonly activityId: string;
  readonly args: readonly unknown[];
  /** From 1 on. */
  readonly attempt: number;
}

export interface ActivityCallDeps {
  readonly clock: VirtualClock;
  readonly activities: Readonly<Record<string, Activity>>;
  /** Stands around each try: what it returns or throws is the activity's answer. */
  readonly perform: (tried: ActivityTry, run: () => Promise<unknown>) => Promise<unknown>;
}

/** Whose call it is. */
export interface CallingWorkflow {
  readonly workflowId: string;
  readonly runId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
}

type TryEnd = { readonly kind: "answered"; readonly value: unknown } | { readonly kind: "failed"; readonly error: unknown };
/** As a server names why it does not try again. */
type Final = "NON_RETRYABLE_FAILURE" | "MAXIMUM_ATTEMPTS_REACHED" | "TIMEOUT" | "CANCEL_REQUESTED";

/**
 * An activity, tried as Temporal's server does it: again by its policy, each try and all of them bounded in virtual time, and cancelled as
 * the workflow has said. It hears of a cancellation where it beats.
 */
export class ActivityCall {
  readonly #order: Order;
  readonly #caller: CallingWorkflow;
  readonly #world: ActivityCallDeps;
  readonly #cancelled = new AbortController();
  readonly #givenUp = new AbortController();
  /** What the last try has told with its beats: the next one is given it. */
  #told: unknown;
  /** How long it waits for its next try, milliseconds; undefined while it runs. */
  waitsMs: number | undefined;

  constructor(order: Order, caller: CallingWorkflow, world: ActivityCallDeps) {
    this.#order = order;
    this.#caller = caller;
    this.#world = world;
  }

  /** What it is, and how often it was tried. */
  get what(): string {
    return `${this.#order.activityType} (${this.#order.activityId})`;
  }

  /** Tries until it has an answer. Undefined where nobody waits for it any more. */
  async resolve(): Promise<Resolution | undefined> {
    const { clock } = this.#world;
    const scheduledAt = clock.now();
    const deadline = scheduledAt + (optionalTsToMs(this.#order.scheduleToCloseTimeout) ?? Number.POSITIVE_INFINITY);
    for (let attempt = 1; ; attempt++) {
      const ended = await this.#try({ attempt, scheduledAt, deadline });
      if (this.#givenUp.signal.aborted) return undefined;
      if (ended.kind === "answered") return { completed: { result: defaultPayloadConverter.toPayload(ended.value) } };
      const isCancelled = this.#cancelled.signal.aborted;
      if (isCancelled && isCancellation(ended.error)) return this.#cancellation();
      const cause = failureOf(ended.error);
      const delayMs = this.#delayMs(cause, attempt);
      const final = this.#finalOf(cause, { attempt, isLate: clock.now() + delayMs >= deadline, isCancelled });
      if (final) return this.#failed(cause, final);
      this.waitsMs = delayMs;
      await clock.sleep(delayMs, AbortSignal.any([this.#cancelled.signal, this.#givenUp.signal]));
      this.waitsMs = undefined;
      if (this.#givenUp.signal.aborted) return undefined;
      if (this.#cancelled.signal.aborted) return this.#cancellation();
    }
  }

  /** Asks it to end. @returns what the workflow hears at once, where it does not wait for the activity */
  cancel(): Resolution | undefined {
    // As in Temporal's protocol: 0 asks, 1 asks and waits until it has stopped, 2 does not even ask.
    const { cancellationType = 0 } = this.#order;
    if (cancellationType !== 2) this.#cancelled.abort();
    if (cancellationType === 1) return undefined;
    this.#givenUp.abort();
    return this.#cancellation();
  }

  /** Nobody waits for it any more. */
  giveUp(): void {
    this.#givenUp.abort();
  }

  async #try(trying: { readonly attempt: number; readonly scheduledAt: number; readonly deadline: number }): Promise<TryEnd> {
    const { clock, perform } = this.#world;
    const { activityType, activityId } = this.#order;
    const name = activityType ?? "";
    const args = arrayFromPayloads(defaultPayloadConverter, this.#order.arguments);
    const over = new AbortController();
    const beats = { last: clock.now() };
    const tried = {
      workflowId: this.#caller.workflowId,
      activity: name,
      activityId: activityId ?? "",
      args,
      attempt: trying.attempt,
    };
    const activity = this.#world.activities[name];
    const run = async () => {
      if (!activity) throw new ReferenceError(`there is no activity '${name}'`);
      return activity(...(args as never[]));
    };
    const release = clock.hold();
    const running = asyncLocalStorage
      .run(this.#context(trying, beats), () => perform(tried, run))
      .then<TryEnd, TryEnd>(
        (value) => ({ kind: "answered", value }),
        (error: unknown) => ({ kind: "failed", error }),
      )
      .finally(release);
    const ended = await Promise.race([running, this.#timeOut(trying.deadline, beats, over.signal)]);
    over.abort();
    return ended;
  }

  /** Ends a try whose time is over. */
  async #timeOut(deadline: number, beats: { readonly last: number }, signal: AbortSignal): Promise<TryEnd> {
    const { clock } = this.#world;
    const began = clock.now();
    const heartbeat = optionalTsToMs(this.#order.heartbeatTimeout) || Number.POSITIVE_INFINITY;
    const close = began + (optionalTsToMs(this.#order.startToCloseTimeout) || Number.POSITIVE_INFINITY);
    const stop = AbortSignal.any([signal, this.#givenUp.signal]);
    for (;;) {
      const next = Math.min(deadline, close, beats.last + heartbeat);
      if (next === Number.POSITIVE_INFINITY) return new Promise(() => {});
      await clock.sleep(next - clock.now(), stop);
      if (stop.aborted) return new Promise(() => {});
      const now = clock.now();
      const kind = now >= deadline ? "SCHEDULE_TO_CLOSE" : now >= close ? "START_TO_CLOSE" : "HEARTBEAT";
      if (kind === "HEARTBEAT" && now < beats.last + heartbeat) continue;
      return { kind: "failed", error: new TimeoutFailure(`activity ${kind} timeout`, undefined, kind) };
    }
  }

  #context(
    { attempt, scheduledAt }: { readonly attempt: number; readonly scheduledAt: number },
    beats: { last: number },
  ): Context {
    const { clock } = this.#world;
    const stop = new AbortController();
    const cancelled = new Promise<never>((_, reject) => {
      stop.signal.addEventListener("abort", () => reject(stop.signal.reason), { once: true });
    });
    cancelled.catch(() => {});
    const beat = (details?: unknown) => {
      beats.last = clock.now();
      this.#told = defaultPayloadConverter.fromPayload(defaultPayloadConverter.toPayload(details));
      if (this.#cancelled.signal.aborted && !stop.signal.aborted) stop.abort(new CancelledFailure("CANCELLED"));
    };
    const info = this.#info(attempt, scheduledAt);
    const details = { details: undefined } as never;
    const context = new Context(info, cancelled, stop.signal, beat, undefined, silent, noopMetricMeter, details);
    keepTrace(context, this.#order.headers ?? {});
    return context;
  }

  #info(attempt: number, scheduledAt: number): Info {
    const { workflowId, runId, workflowType, taskQueue } = this.#caller;
    const { activityId, activityType, startToCloseTimeout, scheduleToCloseTimeout, heartbeatTimeout } = this.#order;
    const info = {
      ...{ attempt, activityId: activityId ?? "", activityType: activityType ?? "", taskQueue, workflowType, isLocal: false },
      ...{
        workflowExecution: { workflowId, runId },
        workflowNamespace: "default",
        activityNamespace: "default",
        namespace: "default",
      },
      ...{ taskToken: new Uint8Array(), base64TaskToken: "", heartbeatDetails: this.#told, inWorkflow: true },
      ...{ scheduledTimestampMs: scheduledAt, currentAttemptScheduledTimestampMs: this.#world.clock.now() },
      startToCloseTimeoutMs: optionalTsToMs(startToCloseTimeout) ?? 0,
      scheduleToCloseTimeoutMs: optionalTsToMs(scheduleToCloseTimeout) ?? 0,
      heartbeatTimeoutMs: optionalTsToMs(heartbeatTimeout),
    };
    return info as never;
  }

  /** The server's own: a second at first, twice as long each time, a hundred times as long at most. */
  #delayMs(cause: Error, attempt: number): number {
    const { initialInterval, backoffCoefficient, maximumInterval } = this.#order.retryPolicy ?? {};
    const own = cause instanceof ApplicationFailure ? cause.nextRetryDelay : undefined;
    if (own !== undefined && own !== null) return Number(own);
    const first = optionalTsToMs(initialInterval) ?? 1_000;
    const most = optionalTsToMs(maximumInterval) || 100 * first;
    return Math.min(most, first * (backoffCoefficient || 2) ** Math.min(attempt - 1, 30));
  }

  #finalOf(
    cause: Error,
    { attempt, isLate, isCancelled }: { readonly attempt: number; readonly isLate: boolean; readonly isCancelled: boolean },
  ): Final | undefined {
    const { maximumAttempts, nonRetryableErrorTypes } = this.#order.retryPolicy ?? {};
    if (cause instanceof ApplicationFailure && (cause.nonRetryable || nonRetryableErrorTypes?.includes(cause.type ?? "")))
      return "NON_RETRYABLE_FAILURE";
    if (cause instanceof TimeoutFailure && cause.timeoutType === "SCHEDULE_TO_CLOSE") return "TIMEOUT";
    if (isCancelled) return "CANCEL_REQUESTED";
    if (maximumAttempts && attempt >= maximumAttempts) return "MAXIMUM_ATTEMPTS_REACHED";
    return isLate ? "TIMEOUT" : undefined;
  }

  #failed(cause: Error, final: Final): Resolution {
    return { failed: { failure: this.#wrapped(cause, final) } };
  }

  #cancellation(): Resolution {
    return { cancelled: { failure: this.#wrapped(new CancelledFailure("CANCELLED"), "CANCEL_REQUESTED") } };
  }

  #wrapped(cause: Error, final: Final) {
    const { activityType, activityId } = this.#order;
    const failure = new ActivityFailure(
      "Activity task failed",
      activityType ?? "",
      activityId ?? undefined,
      final,
      "test",
      cause,
    );
    return defaultFailureConverter.errorToFailure(failure, defaultPayloadConverter);
  }
}

const isCancellation = (error: unknown): boolean =>
  error instanceof CancelledFailure || (error instanceof Error && error.name === "AbortError");

/** As the worker tells the server: a failure of Temporal's as it is, any other as one of the application. */
const failureOf = (error: unknown): TemporalFailure =>
  error instanceof TemporalFailure ? error : ApplicationFailure.fromError(error as Error);

const nothing = () => {};
const silent = { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };
