import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { RetryableError } from "../core/errors.ts";
import type { Outage } from "../core/outage.ts";
import type { RetryPlan } from "../plan/guards.ts";

export interface RetryDeps {
  readonly clock: Clock;
  /** From 0 to 1, as Math.random. */
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Told of each failure, with `about`, and when it is over. */
  readonly outage: Outage;
  readonly about?: object;
}

/**
 * Calls until it works. Waits between tries: `initialMs`, doubled up to `maxMs`, each time a random part of it (full jitter), so that
 * many workers do not come back at once. Anything but a RetryableError goes through; an abort throws its reason.
 */
export async function retrying<Result>(plan: RetryPlan, deps: RetryDeps, call: () => Promise<Result>): Promise<Result> {
  for (let failed = 0; ; ) {
    deps.signal.throwIfAborted();
    try {
      const result = await call();
      deps.outage.over(deps.about);
      return result;
    } catch (error) {
      if (!(error instanceof RetryableError)) {
        // A refusal is an answer too.
        if (!deps.signal.aborted) deps.outage.over(deps.about);
        throw error;
      }
      const waitMs = Math.round(backoffMs(failed, plan, deps.random));
      failed += 1;
      deps.outage.failed(error, { ...deps.about, failed, waitMs });
      await deps.clock.sleep(waitMs, deps.signal);
    }
  }
}
