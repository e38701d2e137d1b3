import { proxyActivities } from "@temporalio/workflow";
import type { ArchiveActivities, CleanedLogs } from "../activities.ts";

const { cleanLogs: clean } = proxyActivities<ArchiveActivities>({
  startToCloseTimeout: "1h",
  heartbeatTimeout: "30s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "1m", maximumAttempts: 20 },
});

/**
 * Removes what is kept no longer: dead letters, and archives where a time is set for them. Its result says how many.
 *
 * @example
 * ```ts
 * export const cleaning = defineSchedule("clean-logs", cleanLogs, { taskQueue: "archive", dailyAt: "03:45" });
 * ```
 */
export const cleanLogs = (): Promise<CleanedLogs> => clean("clean-logs");
