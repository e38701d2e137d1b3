import type { Clock } from "../core/clock.ts";
import type { Telemetry } from "../telemetry/port.ts";
import type { LimitFor } from "./limits.ts";

/** Limits that tell the telemetry how long callers had to wait. Where it does not listen, the limits themselves. */
export function reportedLimits(
  limitFor: LimitFor,
  { telemetry, clock }: { readonly telemetry: Telemetry; readonly clock: Clock },
): LimitFor {
  const tell = telemetry.guard;
  if (!tell) return limitFor;
  return (plan, own) => {
    const limit = limitFor(plan, own);
    return {
      async take(amount, signal) {
        const asked = clock.monotonic();
        await limit.take(amount, signal);
        const waitedMs = clock.monotonic() - asked;
        // Less is what a turn of the loop takes, and nobody was held up.
        if (waitedMs >= 1 && !signal.aborted) tell({ kind: "limited", of: own, amount, waitedMs });
      },
    };
  };
}
