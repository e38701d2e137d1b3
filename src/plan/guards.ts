import type { Callback } from "./callback.ts";

/** Waiting between tries: `initialMs`, then doubled up to `maxMs`, with full jitter. */
export interface RetryPlan {
  /** Before the second try, milliseconds. */
  readonly initialMs: number;
  /** Between two tries at most, milliseconds. */
  readonly maxMs: number;
}

/** After so many failures in a row nothing is called for `openMs`; then one call is tried, and decides. */
export interface BreakerPlan {
  /** So many failures in a row open it. */
  readonly failures: number;
  /** How long nothing is called then, milliseconds. */
  readonly openMs: number;
}

/** No more than `burst` at once after a rest, and `perSecond` in the long run; what comes too fast waits. */
export interface RateLimitPlan {
  /** In the long run; may be a fraction. */
  readonly perSecond: number;
  /** @default a tenth of a second's worth, and at least 1 */
  readonly burst?: number;
  /**
   * The limit is kept in Redis, for all workers together: `true` for this place alone, or a name that other places may share,
   * also those of other applications on the same Redis. @default false, each worker has the limit for itself
   */
  readonly shared?: boolean | string;
}

/** A limit of calls. */
export interface CallRatePlan extends RateLimitPlan {
  /** How many of `perSecond` the call with a value takes, from 0 on. @default 1 */
  readonly cost?: Callback<[value: unknown], number>;
}

/** What protects a stage's function from the world that it asks, and that world from us. */
export interface GuardsPlan {
  /** Tries again what threw a RetryableError or took too long, at most `attempts` times, before the event is given up: then it is tried again later. */
  readonly retry?: RetryPlan & { readonly attempts: number };
  /** When a call is given up, milliseconds: its signal aborts, and its event is tried again. */
  readonly timeoutMs?: number;
  /**
   * Calls under way at once in one process, at most; the others wait. A call that was given up counts until its function has ended.
   * @default no limit; 1000 where there is a `timeoutMs`
   */
  readonly concurrency?: number;
  /** Calls a second; each try counts. */
  readonly rateLimit?: CallRatePlan;
  /** Spares what is called while it is ill. @default none */
  readonly breaker?: BreakerPlan;
}

/** What slows a pipeline's reading down. */
export interface SourceGuardsPlan {
  /** Events read a second, over all partitions that a worker reads; of all workers together where it is shared. */
  readonly rateLimit?: RateLimitPlan;
}

/** What protects a sink's target from us, beside the sink's own retries, which go on for ever. */
export interface SinkGuardsPlan {
  /** Calls of the target a second; each try counts. */
  readonly rateLimit?: RateLimitPlan;
  /** Spares the target while it is ill. @default none */
  readonly breaker?: BreakerPlan;
}

/** What a rate limit comes to, with its burst filled in. */
export function rateOf({ perSecond, burst }: RateLimitPlan): { readonly perSecond: number; readonly burst: number } {
  return { perSecond, burst: burst ?? Math.max(1, Math.ceil(perSecond / 10)) };
}
