import { type GuardsPlan, type RateLimitPlan, rateOf } from "./guards.ts";

export type GuardName = keyof GuardsPlan;
export type GuardPlan<Name extends GuardName> = NonNullable<GuardsPlan[Name]>;

/**
 * The guards of a stage, each in words, in the order in which a call passes them, from the outside in. The order stands here alone:
 * `stages/guard-wraps.ts` says what each does, and `dsl/guards.ts` what may be written.
 *
 * Each try takes its slot, asks the breaker, waits for its turn and then runs against the clock. So a wait between tries holds no slot,
 * and neither an open breaker nor a wait for one's turn counts as a failure, or as time.
 */
const words: { readonly [Name in GuardName]-?: (plan: GuardPlan<Name>) => string } = {
  retry: ({ attempts }) => `retry ${attempts} times`,
  concurrency: (calls) => `${calls} at once`,
  breaker: ({ failures, openMs }) => `breaker after ${failures} failures for ${openMs} ms`,
  rateLimit: ({ cost, ...rate }) => `${describeRate(rate)}${cost ? ", each call at its own cost" : ""}`,
  timeoutMs: (limitMs) => `time-out ${limitMs} ms`,
};

/** From the outside in. */
export const guardNames = Object.keys(words) as readonly GuardName[];

/** Guards in words, from the outside in; the empty string where there are none. */
export const describeGuards = (guards: GuardsPlan = {}): string =>
  guardNames.flatMap((name) => describeGuard(name, guards[name]) ?? []).join(", ");

function describeGuard<Name extends GuardName>(name: Name, plan: GuardsPlan[Name]): string | undefined {
  // The words of a guard take its own plan: the compiler cannot tell that the two belong together.
  return plan === undefined ? undefined : (words[name] as (plan: GuardsPlan[Name]) => string)(plan);
}

function describeRate(plan: RateLimitPlan): string {
  const { perSecond, burst } = rateOf(plan);
  const sharing = plan.shared === true ? " of all workers" : plan.shared ? ` shared as '${plan.shared}'` : "";
  return `${perSecond} a second${sharing}, ${burst} at once after a rest`;
}
