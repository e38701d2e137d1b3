import type { GuardsPlan, RateLimitPlan, SinkGuardsPlan } from "../plan/guards.ts";
import type { GuardName } from "../plan/stage-guards.ts";
import { callback, count, duration, type OptionsShape, optional, positive, sharing } from "./check-options.ts";
import type { TypeHint } from "./hints.ts";

/** Options and guards of a source. Guards that have no meaning there say why. */
export interface SourceGuards {
  /**
   * A producer that was silent for so long is not waited for: event time goes on without it; where all are silent, by the clock. As long
   * it takes until a stream that begins has its first window closed: producers may come that nobody has heard of yet. In milliseconds.
   * @default 30000
   */
  readonly idleMs?: number;
  /**
   * Events read a second by this pipeline, in each worker or, where it is shared, in all together. Reading waits, and Redis keeps
   * the rest.
   */
  readonly rateLimit?: RateLimitPlan;
  /** It has no meaning here; its type says why. */
  readonly retry?: TypeHint<"A source has no retry: reading goes on by itself when Redis is back">;
  /** It has no meaning here; its type says why. */
  readonly timeoutMs?: TypeHint<"A source has no time-out: put timeoutMs on the stage that waits">;
  /** It has no meaning here; its type says why. */
  readonly concurrency?: TypeHint<"A source has no concurrency: its partitions are read side by side">;
  /** It has no meaning here; its type says why. */
  readonly breaker?: TypeHint<"A source has no breaker: while Redis is away nothing can be read anyway">;
}

/** A limit of calls with values of type `T`. */
export interface CallRate<in T> extends RateLimitPlan {
  /** How many of `perSecond` the call with a value takes, from 0 on: a call with a list may cost as much as the list is long. @default 1 */
  readonly cost?: (value: T) => number;
}

/** Guards of a stage whose function takes values of type `T`. A call passes them in this order: retry, concurrency, breaker, rate limit, time-out. */
export interface StageGuards<in T> extends GuardsPlan {
  /** Calls a second; each try counts. */
  readonly rateLimit?: CallRate<T>;
}

/** Guards of a ClickHouse sink. */
export interface ClickHouseGuards extends SinkGuardsPlan {
  /** It has no meaning here; its type says why. */
  readonly concurrency?: TypeHint<"A ClickHouse sink has no concurrency: one insert of a table is under way at a time">;
}

/** Guards of a sink that writes a stream. */
export interface StreamGuards {
  /** Events written a second. */
  readonly rateLimit?: RateLimitPlan;
  /** It has no meaning here; its type says why. */
  readonly retry?: TypeHint<"A stream sink has no retry: writing goes on by itself when Redis is back">;
  /** It has no meaning here; its type says why. */
  readonly timeoutMs?: TypeHint<"A stream sink has no time-out: a write is repeated until it is stored">;
  /** It has no meaning here; its type says why. */
  readonly concurrency?: TypeHint<"A stream sink has no concurrency: its partitions are written side by side">;
  /** It has no meaning here; its type says why. */
  readonly breaker?: TypeHint<"A stream sink has no breaker: its stream is in the Redis that is read">;
}

const rateLimit: OptionsShape = { perSecond: positive, burst: optional(count), shared: optional(sharing) };
const breaker: OptionsShape = { failures: count, openMs: duration };
export const sinkRetry: OptionsShape = { initialMs: duration, maxMs: duration };

export const streamGuards: OptionsShape = { rateLimit: { of: rateLimit } };
export const sourceGuards: OptionsShape = { ...streamGuards, idleMs: duration };
export const sinkGuards: OptionsShape = { ...streamGuards, breaker: { of: breaker } };
export const stageGuards: Readonly<Record<GuardName, OptionsShape[string]>> = {
  retry: { of: { attempts: count, ...sinkRetry } },
  concurrency: count,
  breaker: { of: breaker },
  rateLimit: { of: { ...rateLimit, cost: optional(callback) } },
  timeoutMs: duration,
};
