import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { RetryableError } from "../core/errors.ts";
import type { RetryPlan } from "../plan/guards.ts";

export interface RetryDeps {
  readonly clock: Clock;
  /** From 0 to 1, as Math.random. */
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Told before each wait, with the number of tries that have failed. */
  readonly onRetry: (error: RetryableError, failed: number, waitMs: number) => void;
}

/**
 * Calls until it works. Waits between tries: `initialMs`, doubled up to `maxMs`, each time a random part of it (full jitter), so that
 * many workers do not come back at once. Anything but a RetryableError goes through; an abort throws its reason.
 */
export async function retrying<Result>(plan: RetryPlan, deps: RetryDeps, call: () => Promise<Result>): Promise<Result> {
  for (let failed = 0; ; ) {
    deps.signal.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      const waitMs = Math.round(backoffMs(failed, plan, deps.random));
      failed += 1;
      deps.onRetry(error, failed, waitMs);
      await deps.clock.sleep(waitMs, deps.signal);
    }
  }
}
