import type { Clock } from "../core/clock.ts";
import { ConfigError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { createRateLimit, type RateLimit } from "../core/rate-limit.ts";
import { type RateLimitPlan, rateOf } from "../plan/guards.ts";
import type { Buckets } from "./port.ts";
import { SharedLimit } from "./shared.ts";

/** Makes the limit of a plan. `own` names it among all pipelines, where the plan gives it no name to share it under. */
export type LimitFor = (plan: RateLimitPlan, own: string) => RateLimit;

export interface LimitsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where shared limits are kept; needed only where a plan has one. */
  readonly buckets?: Buckets | undefined;
}

/** Makes limits: local ones anew each time, shared ones once for each name. */
export function createLimits({ clock, logger, buckets }: LimitsDeps): LimitFor {
  const shared = new Map<string, RateLimit>();
  return (plan, own) => {
    const rate = rateOf(plan);
    if (!plan.shared) return createRateLimit(rate, clock);
    const name = plan.shared === true ? own : plan.shared;
    if (!buckets) {
      throw new ConfigError("usage", `the rate limit '${name}' is shared, and there is no place to share it in`, {
        hint: "Open buckets and pass them to createLimits.",
      });
    }
    const limit = shared.get(name) ?? new SharedLimit(name, rate, { buckets, clock, logger });
    shared.set(name, limit);
    return limit;
  };
}
