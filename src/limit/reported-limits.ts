import type { Clock } from "../core/clock.ts";
import type { Telemetry } from "../telemetry/port.ts";
import type { LimitFor } from "./limits.ts";

/** Limits that tell how long they have held somebody up. The same as they were where nobody wants to hear it. */
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
