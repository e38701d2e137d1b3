import { type ActivityOptions, proxyActivities } from "@temporalio/workflow";

/** How calls of a step before the pivot are bounded, by Temporal's own names. Long activities need `heartbeatTimeout`, and must beat. */
export type BoundedCalls = Pick<
  ActivityOptions,
  "startToCloseTimeout" | "scheduleToCloseTimeout" | "heartbeatTimeout" | "retry" | "taskQueue"
>;

/** How calls that must succeed are made: each try is bounded, their number is not. */
export type EndlessCalls = Pick<ActivityOptions, "startToCloseTimeout" | "heartbeatTimeout" | "taskQueue"> & {
  /** How long to wait between tries. @default from 200 ms, doubled up to a minute */
  readonly retry?: Omit<NonNullable<ActivityOptions["retry"]>, "maximumAttempts" | "nonRetryableErrorTypes">;
};

/**
 * What all calls share. Temporal's default would begin to undo before the cancelled call has stopped (TRY_CANCEL, whatever its
 * documentation says).
 */
const common = {
  cancellationType: "WAIT_CANCELLATION_COMPLETED",
  startToCloseTimeout: "10s",
} satisfies ActivityOptions;

/** Calls that are given up after a while: somebody waits for the answer. */
export const boundedCalls = (step: string, { retry, ...calls }: BoundedCalls = {}): object =>
  callsOf(step, {
    ...common,
    scheduleToCloseTimeout: "2m",
    ...calls,
    retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumInterval: "10s", ...retry },
  });

/** Calls that are tried until they succeed. */
export const endlessCalls = (step: string, { retry, ...calls }: EndlessCalls = {}): object =>
  callsOf(step, {
    ...common,
    ...calls,
    retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumInterval: "1m", ...retry },
  });

/**
 * The activities, called on behalf of a step. It is their id in the history, and shown beside them in the Temporal UI; so a step that was
 * renamed, or stands elsewhere, is told by a replay.
 */
function callsOf(step: string, options: ActivityOptions): object {
  let made = 0;
  return new Proxy(
    {},
    {
      get: (_, activity) => {
        if (typeof activity !== "string" || activity === "then") return undefined;
        return (...args: unknown[]) => {
          made++;
          const activityId = made === 1 ? step : `${step} (${made})`;
          return proxyActivities({ ...options, activityId, summary: step })[activity]?.(...args);
        };
      },
    },
  );
}
