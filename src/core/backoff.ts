/** Between which bounds the waits between tries grow, milliseconds. */
export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/**
 * Milliseconds to wait before try `attempt` (from 0): uniform between 0 and min(maxMs, initialMs × 2^attempt), so that those who fail
 * together do not come back together.
 * "Full jitter", from M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export const backoffMs = (attempt: number, { initialMs, maxMs }: Backoff, random: () => number = Math.random): number =>
  random() * Math.min(maxMs, initialMs * 2 ** Math.min(attempt, 30));
