import { backoffMs } from "../core/backoff.ts";
import { Breaker } from "../core/breaker.ts";
import type { Clock } from "../core/clock.ts";
import { RetryableError } from "../core/errors.ts";
import { Gauge } from "../core/gauge.ts";
import { linkAbort } from "../core/linked-abort.ts";
import type { Logger } from "../core/log.ts";
import type { RateLimit } from "../core/rate-limit.ts";
import type { GuardsPlan, RateLimitPlan } from "../plan/guards.ts";
import type { PipelinePlan, StageCall, StagePlan } from "../plan/plan.ts";

export interface GuardDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the limit of a plan, under a name that nothing else has. */
  readonly limitFor: (plan: RateLimitPlan, own: string) => RateLimit;
  /** From 0 to 1, as Math.random. */
  readonly random?: () => number;
}

type Call = (value: unknown, call: StageCall) => unknown;

/** A call under way. */
interface Begun {
  readonly answer: Promise<unknown>;
  /** Resolves when its function has ended, which may be long after the answer. */
  readonly ended: Promise<void>;
}

const nothing = () => {};

/** Calls that may be open where a stage has a time-out and no `concurrency`: without a bound, those that were given up would pile up. */
const maxOpenCalls = 1_000;

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
 *
 * A call that took too long is told so by its signal, and its event is answered at once. It holds its slot until its function has ended:
 * however long that takes, no more than `concurrency` are open.
 */
export function guarded(
  name: string,
  call: Call,
  { guards, place, deps }: { readonly guards: GuardsPlan; readonly place: string; readonly deps: GuardDeps },
): Call {
  if (Object.keys(guards).length === 0) return call;
  const { clock, logger, random } = deps;
  const { retry, timeoutMs, concurrency = timeoutMs === undefined ? Number.POSITIVE_INFINITY : maxOpenCalls } = guards;
  const breaker = guards.breaker && new Breaker({ name: `stage '${place}'`, ...guards.breaker }, { clock, logger });
  const limit = guards.rateLimit && deps.limitFor(guards.rateLimit, `stage:${place}`);
  const slots = new Gauge(concurrency);
  /** Calls that were given up and go on. */
  let givenUp = 0;
  if (retry === undefined) return attempt;

  return async (value, given) => {
    for (let failed = 0; ; failed++) {
      try {
        return await attempt(value, given);
      } catch (error) {
        if (!(error instanceof RetryableError) || failed === retry.attempts) throw error;
        await clock.sleep(backoffMs(failed, retry, random), given.signal);
        if (given.signal.aborted) throw error;
      }
    }
  };

  async function attempt(value: unknown, given: StageCall): Promise<unknown> {
    if (!(await slots.room(given.signal, 1))) throw stopping();
    const leave = () => slots.remove(1);
    try {
      await turn(given.signal);
    } catch (error) {
      leave();
      throw error;
    }
    const { answer, ended } = timeoutMs === undefined ? begin(value, given) : beginWithin(timeoutMs, value, given);
    void ended.then(leave);
    return told(answer, given);
  }

  /** Waits until the breaker and the limit let a call through. */
  async function turn(signal: AbortSignal): Promise<void> {
    // Before a token is spent on it.
    if (breaker && breaker.leftMs > 0) throw isOpen();
    await limit?.take(1, signal);
    if (signal.aborted) throw stopping();
    if (breaker && !breaker.enter()) throw isOpen();
  }

  /** Tells the breaker how a call was answered. One that was broken off says nothing. */
  async function told(answer: Promise<unknown>, { signal }: StageCall): Promise<unknown> {
    try {
      const result = await answer;
      breaker?.succeeded();
      return result;
    } catch (error) {
      if (error instanceof RetryableError) breaker?.failed();
      else if (!signal.aborted) breaker?.succeeded();
      throw error;
    }
  }

  function begin(value: unknown, given: StageCall): Begun {
    const answer = new Promise((resolve) => resolve(call(value, given)));
    return { answer, ended: answer.then(nothing, nothing) };
  }

  function beginWithin(limitMs: number, value: unknown, given: StageCall): Begun {
    const { signal, abort, unlink } = linkAbort(given.signal);
    const { answer, ended } = begin(value, { signal });
    const answered = new AbortController();
    let isLate = false;
    const late = async (): Promise<never> => {
      await clock.sleep(limitMs, answered.signal);
      const error = new RetryableError("service.unreachable", `stage '${name}' took longer than ${limitMs} ms`);
      if (answered.signal.aborted) throw error; // nobody hears it
      isLate = true;
      tellStuck(++givenUp);
      abort(error);
      throw error;
    };
    const end = () => {
      answered.abort();
      unlink();
      if (isLate) givenUp -= 1;
    };
    return { answer: Promise.race([answer, late()]), ended: ended.then(end) };
  }

  function tellStuck(open: number): void {
    if (open === concurrency)
      logger.warn(
        { stage: place, calls: open },
        "calls that took too long go on and hold all slots: the stage waits for them. Have its function end when its signal aborts",
      );
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
