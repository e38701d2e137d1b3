import { type GuardsPlan, type RateLimitPlan, rateOf } from "./guards.ts";

/** Guards in words, from the outside in; the empty string where there are none. */
export function describeGuards(guards: GuardsPlan | undefined): string {
  if (!guards) return "";
  const { retry, concurrency, breaker, rateLimit, timeoutMs } = guards;
  return [
    retry && `retry ${retry.attempts} times`,
    concurrency && `${concurrency} at once`,
    breaker && `breaker after ${breaker.failures} failures for ${breaker.openMs} ms`,
    rateLimit && describeRate(rateLimit),
    timeoutMs && `time-out ${timeoutMs} ms`,
  ]
    .filter(Boolean)
    .join(", ");
}

function describeRate(plan: RateLimitPlan): string {
  const { perSecond, burst } = rateOf(plan);
  const sharing = plan.shared === true ? " of all workers" : plan.shared ? ` shared as '${plan.shared}'` : "";
  return `${perSecond} a second${sharing}, ${burst} at once after a rest`;
}
