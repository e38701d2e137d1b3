import { type ActivityOptions, proxyActivities } from "@temporalio/workflow";

/** How calls of a step before the pivot are bounded, by Temporal's own names. Long activities need `heartbeatTimeout`, and must beat. */
export type BoundedCalls = Pick<
  ActivityOptions,
  "startToCloseTimeout" | "scheduleToCloseTimeout" | "heartbeatTimeout" | "retry" | "taskQueue"
>;

/** How calls that must succeed are made: each try is bounded, their number is not. */
export type EndlessCalls = Pick<ActivityOptions, "startToCloseTimeout" | "heartbeatTimeout" | "taskQueue"> & {
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

/** Calls that are given up after a while: somebody waits for the answer. `summary` is shown beside each in the Temporal UI. */
export const boundedCalls = (summary: string, { retry, ...calls }: BoundedCalls = {}): object =>
  proxyActivities({
    ...common,
    scheduleToCloseTimeout: "2m",
    ...calls,
    retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumInterval: "10s", ...retry },
    summary,
  });

/** Calls that are tried until they succeed. */
export const endlessCalls = (summary: string, { retry, ...calls }: EndlessCalls = {}): object =>
  proxyActivities({
    ...common,
    ...calls,
    retry: { initialInterval: "200ms", backoffCoefficient: 2, maximumInterval: "1m", ...retry },
    summary,
  });
