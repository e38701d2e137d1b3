import { proxyActivities } from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";

const { cleanLogs: clean } = proxyActivities<Activities>({
  startToCloseTimeout: "1h",
  heartbeatTimeout: "30s",
  retry: { initialInterval: "1s", backoffCoefficient: 2, maximumInterval: "1m", maximumAttempts: 20 },
});

/** Removes what is kept no longer: dead letters, and archives where a time is set for them. Its result says how many. */
export const cleanLogs = (): ReturnType<Activities["cleanLogs"]> => clean("clean-logs");
