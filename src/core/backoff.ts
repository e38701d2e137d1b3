/**
 * Milliseconds to wait before try `attempt` (from 0): uniform between 0 and min(maxMs, initialMs × 2^attempt).
 * "Full jitter", from M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function backoffMs(
  attempt: number,
  limits: { readonly initialMs: number; readonly maxMs: number },
  random: () => number = Math.random,
): number {
  return random() * Math.min(limits.maxMs, limits.initialMs * 2 ** Math.min(attempt, 30));
}
