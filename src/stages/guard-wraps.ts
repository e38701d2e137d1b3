import { Breaker } from "../core/breaker.ts";
import type { Clock } from "../core/clock.ts";
import { codeOf, RetryableError, TerminalError } from "../core/errors.ts";
import { InFlightLimit } from "../core/in-flight-limit.ts";
import { linkAbort } from "../core/linked-abort.ts";
import type { Logger } from "../core/log.ts";
import type { RateLimit } from "../core/rate-limit.ts";
import { retry } from "../core/retry.ts";
import type { GuardsPlan, RateLimitPlan } from "../plan/guards.ts";
import type { StageCall } from "../plan/plan.ts";
import type { GuardName, GuardPlan } from "../plan/stage-guards.ts";
import type { Telemetry } from "../telemetry/port.ts";

export interface GuardDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the limit of a plan, under a name that nothing else has. */
  readonly limitFor: (plan: RateLimitPlan, own: string) => RateLimit;
  /** From 0 to 1, as Math.random. */
  readonly random?: () => number;
  /** @default nobody is told */
  readonly telemetry?: Telemetry;
}

/** A call on its way through the guards. */
export interface PassingCall extends StageCall {
  readonly value: unknown;
  /** Called right before the function begins, when every guard has let the call through; throws where one no longer does. */
  readonly beforeBegin: () => void;
}

/** A call whose function has begun. */
export interface BegunCall {
  readonly answer: Promise<unknown>;
  /** Resolves when the function has ended, which may be long after the answer. */
  readonly ended: Promise<void>;
}

/** Takes a call through the guards that are left. Rejects where one of them does not let it through: then its function has not begun. */
export type GuardedFunction = (passing: PassingCall) => Promise<BegunCall>;

export interface GuardContext {
  /** The stage's name, for people. */
  readonly name: string;
  /** The same behind its pipeline's. */
  readonly place: string;
  /** All guards of the stage. */
  readonly guards: GuardsPlan;
  readonly deps: GuardDeps;
}

/** Puts a guard before what is behind it. Made once for a stage in a process. */
type Wrap<Plan> = (plan: Plan, next: GuardedFunction, context: GuardContext) => GuardedFunction;

/** What each guard does. In which order a call passes them is said in `plan/stage-guards.ts`. */
export const guardWraps: { readonly [Name in GuardName]: Wrap<GuardPlan<Name>> } = {
  retry(plan, next, { place, deps: { clock, random, telemetry } }) {
    const once = async (passing: PassingCall): Promise<unknown> => (await next(passing)).answer;
    const onFailure = (error: unknown, waiting: { readonly failed: number; readonly waitMs: number }) =>
      telemetry?.retry?.({ of: "call", call: stageAt(place), ...waiting, code: codeOf(error) });
    return async (passing) => begun(retry(() => once(passing), { ...plan, clock, random, signal: passing.signal, onFailure }));
  },

  concurrency(limit, next, { name }) {
    const slots = new InFlightLimit(limit);
    return async (passing) => {
      if (!(await slots.waitForRoom(passing.signal, 1))) throw stopping(name);
      const leave = () => slots.remove(1);
      try {
        const call = await next(passing);
        void call.ended.then(leave);
        return call;
      } catch (error) {
        leave();
        throw error;
      }
    };
  },

  breaker(plan, next, { name, place, deps }) {
    const { clock, logger, telemetry } = deps;
    const breaker = new Breaker({ name: stageAt(place), ...plan }, { clock, logger, onChange: telemetry?.guard });
    const isOpen = () =>
      new RetryableError("breaker.open", `stage '${name}' has failed ${plan.failures} times in a row: its breaker is open`);
    /** Tells the breaker how a call was answered. One that was broken off says nothing. */
    const told = async (answer: Promise<unknown>, signal: AbortSignal): Promise<unknown> => {
      try {
        const result = await answer;
        breaker.succeeded();
        return result;
      } catch (error) {
        if (error instanceof RetryableError) breaker.failed();
        else if (!signal.aborted) breaker.succeeded();
        throw error;
      }
    };
    return async (passing) => {
      // Before a token is spent on it.
      if (breaker.leftMs > 0) throw isOpen();
      const beforeBegin = () => {
        passing.beforeBegin();
        if (!breaker.enter()) throw isOpen();
      };
      const { answer, ended } = await next({ ...passing, beforeBegin });
      return { answer: told(answer, passing.signal), ended };
    };
  },

  rateLimit({ cost, ...plan }, next, { name, place, deps }) {
    const limit = deps.limitFor(plan, `stage:${place}`);
    return async (passing) => {
      await limit.take(cost ? costOf(name, cost, passing.value) : 1, passing.signal);
      if (passing.signal.aborted) throw stopping(name);
      return next(passing);
    };
  },

  timeoutMs(limitMs, next, { name, place, guards, deps: { clock, logger, telemetry } }) {
    /** Calls that were given up and go on. */
    let givenUp = 0;
    const tellStuck = () => {
      if (givenUp === guards.concurrency)
        logger.warn(
          { stage: place, calls: givenUp },
          "calls that took too long go on and hold all slots: the stage waits for them. Have its function end when its signal aborts",
        );
    };
    return async (passing) => {
      const { signal, abort, unlink } = linkAbort(passing.signal);
      const call = await next({ ...passing, signal }).catch((error) => {
        unlink();
        throw error;
      });
      const answered = new AbortController();
      let isLate = false;
      const late = async (): Promise<never> => {
        await clock.sleep(limitMs, answered.signal);
        const error = new RetryableError("stage.late", `stage '${name}' took longer than ${limitMs} ms`);
        if (answered.signal.aborted) throw error; // nobody hears it
        isLate = true;
        givenUp += 1;
        tellStuck();
        telemetry?.guard?.({ kind: "timed-out", of: stageAt(place), limitMs });
        abort(error);
        throw error;
      };
      const end = () => {
        answered.abort();
        unlink();
        if (isLate) givenUp -= 1;
      };
      return { answer: Promise.race([call.answer, late()]), ended: call.ended.then(end) };
    };
  },
};

const nothing = () => {};

/** What a guard is told under. */
const stageAt = (place: string): string => `stage '${place}'`;

/** A call that has ended when it is answered. */
export const begun = (answer: Promise<unknown>): BegunCall => ({ answer, ended: answer.then(nothing, nothing) });

const stopping = (name: string): RetryableError =>
  new RetryableError("stop.asked", `stage '${name}' was asked to stop while it waited for its turn`);

/** @throws TerminalError where a limit could not go on from it */
function costOf(name: string, cost: (value: unknown) => number, value: unknown): number {
  const tokens = cost(value);
  if (Number.isFinite(tokens) && tokens >= 0) return tokens;
  throw new TerminalError("stage.result", `stage '${name}': the cost of a call is ${tokens}`, {
    hint: "Have rateLimit.cost return a number from 0 on.",
  });
}
