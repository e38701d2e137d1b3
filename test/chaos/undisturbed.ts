import { readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";

/**
 * How many processes want each core, 1 where all of them run: over the last minute, or by `wanting`, which were counted just now, whichever
 * is more, since the first lags behind when much begins at once.
 */
export const slownessOf = (wanting: number): number =>
  Math.max(1, Math.max(loadavg()[0] as number, wanting) / availableParallelism());

/** How many processes run or could; 0 where the system does not tell. */
export function wantingNow(): number {
  try {
    return Number.parseInt(readFileSync("/proc/loadavg", "utf8").split(" ")[3] ?? "", 10) || 0;
  } catch {
    return 0;
  }
}

/** How long a process has stood ready to run without a core so far, by its main thread, milliseconds; 0 where the system does not tell. */
export function queuedMs(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e6 || 0;
  } catch {
    return 0;
  }
}

/**
 * A clock for limits: the milliseconds that a machine without other work would have had since then. A second in which ten processes want
 * two cores counts as a fifth of one, so that a limit says that something hangs, and not that the machine is busy.
 */
export function undisturbedClock(): () => number {
  let passed = 0;
  let lookedAt = performance.now();
  return () => {
    const now = performance.now();
    passed += (now - lookedAt) / slownessOf(wantingNow());
    lookedAt = now;
    return passed;
  };
}
