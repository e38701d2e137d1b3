import {
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
  type IPolicy,
  isBrokenCircuitError,
  noop,
  retry,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
  wrap,
} from "cockatiel";
import { RetryableError } from "../core/errors.ts";
import type { GuardsPlan } from "../plan/plan.ts";

type Call<Result> = (value: unknown) => Result | Promise<Result>;

/**
 * Puts a stage's function behind its guards, from the outside in: retry, breaker, time-out. What they give up on is a
 * RetryableError: the entries are tried again, and nothing is lost. A function without guards stays as it is, and may be synchronous.
 */
export function guarded<Result>(name: string, call: Call<Result>, guards: GuardsPlan | undefined): Call<Result> {
  if (guards === undefined) return call;
  const policy = policyOf(guards);
  return async (value) => {
    try {
      return await policy.execute(() => call(value));
    } catch (error) {
      if (error instanceof TaskCancelledError) {
        throw new RetryableError("service.unreachable", `stage '${name}' took longer than ${guards.timeoutMs} ms`, {
          cause: error,
        });
      }
      if (isBrokenCircuitError(error)) {
        throw new RetryableError(
          "service.unreachable",
          `stage '${name}' has failed ${guards.breaker?.failures} times in a row: its breaker is open`,
          { cause: error },
        );
      }
      throw error;
    }
  };
}

/** Only what may pass by itself is worth a retry, and counts against a breaker: other errors are the event's own. */
const passing = handleWhen((error) => error instanceof RetryableError || error instanceof TaskCancelledError);

function policyOf({ retry: again, breaker, timeoutMs }: GuardsPlan): IPolicy {
  const backoff = again && new ExponentialBackoff({ initialDelay: again.initialMs, maxDelay: again.maxMs });
  return wrap(
    again && backoff ? retry(passing, { maxAttempts: again.attempts, backoff }) : noop,
    breaker
      ? circuitBreaker(passing, { halfOpenAfter: breaker.openMs, breaker: new ConsecutiveBreaker(breaker.failures) })
      : noop,
    timeoutMs === undefined ? noop : timeout(timeoutMs, TimeoutStrategy.Aggressive),
  );
}
