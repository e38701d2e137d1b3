import { type ActivityOptions, proxyActivities } from "@temporalio/workflow";

/**
 * What every call of a saga shares. Temporal's default would begin to undo before the cancelled call has stopped
 * (TRY_CANCEL, whatever its documentation says).
 */
const common = { cancellationType: "WAIT_CANCELLATION_COMPLETED" } satisfies ActivityOptions;

export interface Participants<Activities extends object> {
  /** For steps before the pivot: tried again for at most two minutes. */
  readonly bounded: Activities;
  /** For undos, and for steps behind the pivot: tried until they succeed. */
  readonly unbounded: Activities;
}

/** The activities of a saga's participants, with the time-outs that each side of the pivot needs. */
export function participants<Activities extends object>(): Participants<Activities> {
  return {
    bounded: proxyActivities({
      ...common,
      startToCloseTimeout: "10s",
      scheduleToCloseTimeout: "2m",
      retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumInterval: "10s" },
    }) as unknown as Activities,
    unbounded: proxyActivities({
      ...common,
      startToCloseTimeout: "10s",
      retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumInterval: "1m" },
    }) as unknown as Activities,
  };
}
