import type { Clock } from "../core/clock.ts";
import { codeOf, RetryableError } from "../core/errors.ts";
import type { Outage } from "../core/outage.ts";
import { retry } from "../core/retry.ts";
import type { RetryPlan } from "../plan/guards.ts";

export interface RetryDeps {
  readonly clock: Clock;
  /** From 0 to 1, as Math.random. */
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Told of each failure, with `about`, and when it is over. */
  readonly outage: Outage;
  readonly about?: object;
  /** Told of each try that follows. */
  readonly onRetry?: (retry: { readonly failed: number; readonly waitMs: number; readonly code: string }) => void;
}

/** Calls until it works, and tells of the outage. Anything but a RetryableError goes through; an abort throws its reason. */
export async function retrying<Result>(
  plan: RetryPlan,
  { clock, random, signal, outage, about, onRetry }: RetryDeps,
  call: () => Promise<Result>,
): Promise<Result> {
  const calling = () => {
    signal.throwIfAborted();
    return call();
  };
  try {
    const onFailure = (error: unknown, waiting: { readonly failed: number; readonly waitMs: number }) => {
      outage.failed(error, { ...about, ...waiting });
      onRetry?.({ ...waiting, code: codeOf(error) });
    };
    const result = await retry(calling, { ...plan, clock, random, signal, onFailure });
    outage.over(about);
    return result;
  } catch (error) {
    if (error instanceof RetryableError) signal.throwIfAborted();
    // A refusal is an answer too.
    if (!signal.aborted) outage.over(about);
    throw error;
  }
}
