import { Breaker } from "../core/breaker.ts";
import type { Clock } from "../core/clock.ts";
import { RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { RateLimit } from "../core/rate-limit.ts";
import type { SinkGuardsPlan } from "../plan/guards.ts";
import type { Telemetry } from "../telemetry/port.ts";

/** What a sink's calls of its target pass. */
export interface SinkGuards {
  readonly limit?: RateLimit | undefined;
  readonly breaker?: Breaker | undefined;
}

export interface SinkGuardDeps {
  /** What is called, for the log. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limit: RateLimit | undefined;
  /** @default nobody is told */
  readonly telemetry?: Telemetry | undefined;
}

/** The guards of a plan, made once for a sink. */
export const createSinkGuards = (
  plan: SinkGuardsPlan | undefined,
  { name, limit, telemetry, ...deps }: SinkGuardDeps,
): SinkGuards => ({
  limit,
  breaker: plan?.breaker && new Breaker({ name, ...plan.breaker }, { ...deps, onChange: telemetry?.guard }),
});

export interface GuardedCall {
  readonly guards: SinkGuards;
  /** Ends all waiting: the call is not made, and its reason is thrown. */
  readonly signal: AbortSignal;
  /** Whether an error says that the target is away or overloaded. @default a RetryableError does */
  readonly isFailure?: (error: unknown) => boolean;
}

/**
 * Calls a target when its guards let it: waits while the breaker is open and until the rate limit has a token, and tells the breaker how
 * it ended. Whoever calls keeps the rows and tries again, so a breaker holds rows up and loses none.
 */
export async function guardedCall<Result>(
  call: () => Promise<Result>,
  { guards: { limit, breaker }, signal, isFailure = (error) => error instanceof RetryableError }: GuardedCall,
): Promise<Result> {
  do {
    await breaker?.ready(signal);
    await limit?.take(1, signal);
    signal.throwIfAborted();
    // It may have opened while the token was waited for.
  } while (breaker && !breaker.enter());
  try {
    const result = await call();
    breaker?.succeeded();
    return result;
  } catch (error) {
    // A call that was broken off says nothing.
    if (isFailure(error)) breaker?.failed();
    else if (!signal.aborted) breaker?.succeeded();
    throw error;
  }
}
