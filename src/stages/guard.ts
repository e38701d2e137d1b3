import { bulkhead } from "cockatiel";
import { backoffMs } from "../core/backoff.ts";
import { Breaker } from "../core/breaker.ts";
import type { Clock } from "../core/clock.ts";
import { RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { RateLimit } from "../core/rate-limit.ts";
import type { GuardsPlan, RateLimitPlan } from "../plan/guards.ts";
import type { PipelinePlan, StagePlan } from "../plan/plan.ts";

export interface GuardDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the limit of a plan, under a name that nothing else has. */
  readonly limitFor: (plan: RateLimitPlan, own: string) => RateLimit;
  /** Ends all waiting: a call that waits for its turn is given up, and its event is left to the next owner. */
  readonly signal: AbortSignal;
  /** From 0 to 1, as Math.random. */
  readonly random?: () => number;
}

type Call = (value: unknown) => unknown;

/**
 * The pipeline with each guarded function behind its guards, and nothing else changed. Done once for a process, so that all
 * partitions of a stage share its breaker, its limit and its slots.
 */
export function guardStages(pipeline: PipelinePlan, deps: GuardDeps): PipelinePlan {
  const behindGuards = (stage: StagePlan): StagePlan => {
    if (!("guards" in stage) || stage.guards === undefined) return stage;
    const place = `${pipeline.name}/${stage.name}`;
    return {
      ...stage,
      transform: guarded(stage.name, stage.transform as Call, { guards: stage.guards, place, deps }),
      guards: undefined,
    };
  };
  return { ...pipeline, stages: pipeline.stages.map(behindGuards) };
}

/**
 * Puts a function behind its guards, from the outside in: retry, concurrency, breaker, rate limit, time-out. So a wait between tries
 * holds no slot, and neither an open breaker nor a wait for one's turn counts as a failure.
 *
 * A failure is what may pass: a RetryableError, or a call that took too long. Anything else that is thrown is the event's own fault, and
 * an answer like any other: it is not tried again, and sets the breaker's count back.
 */
export function guarded(
  name: string,
  call: Call,
  { guards, place, deps }: { readonly guards: GuardsPlan; readonly place: string; readonly deps: GuardDeps },
): Call {
  if (Object.keys(guards).length === 0) return call;
  const { clock, logger, signal, random } = deps;
  const { retry, timeoutMs, concurrency } = guards;
  const breaker = guards.breaker && new Breaker({ name: `stage '${place}'`, ...guards.breaker }, { clock, logger });
  const limit = guards.rateLimit && deps.limitFor(guards.rateLimit, `stage:${place}`);
  const slots = concurrency === undefined ? undefined : bulkhead(concurrency, Number.POSITIVE_INFINITY);
  const attempt = slots ? (value: unknown) => slots.execute(() => once(value)) : once;
  if (retry === undefined) return attempt;

  return async (value) => {
    for (let failed = 0; ; failed++) {
      try {
        return await attempt(value);
      } catch (error) {
        if (!(error instanceof RetryableError) || failed === retry.attempts) throw error;
        await clock.sleep(backoffMs(failed, retry, random), signal);
        if (signal.aborted) throw error;
      }
    }
  };

  async function once(value: unknown): Promise<unknown> {
    // Before a token is spent on it.
    if (breaker && breaker.leftMs > 0) throw isOpen();
    await limit?.take(1, signal);
    if (limit && signal.aborted) throw stopping();
    if (breaker && !breaker.enter()) throw isOpen();
    try {
      const result = await (timeoutMs === undefined ? call(value) : within(timeoutMs, value));
      breaker?.succeeded();
      return result;
    } catch (error) {
      if (error instanceof RetryableError) breaker?.failed();
      else breaker?.succeeded();
      throw error;
    }
  }

  async function within(limitMs: number, value: unknown): Promise<unknown> {
    const ended = new AbortController();
    const late = async () => {
      await clock.sleep(limitMs, ended.signal);
      throw new RetryableError("service.unreachable", `stage '${name}' took longer than ${limitMs} ms`);
    };
    try {
      return await Promise.race([call(value), late()]);
    } finally {
      ended.abort();
    }
  }

  function isOpen(): RetryableError {
    const failures = guards.breaker?.failures;
    return new RetryableError(
      "service.unreachable",
      `stage '${name}' has failed ${failures} times in a row: its breaker is open`,
    );
  }

  function stopping(): RetryableError {
    return new RetryableError("service.unreachable", `stage '${name}' was asked to stop while it waited for its turn`);
  }
}
