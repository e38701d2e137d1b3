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

/** Between tries of an event, a read or a commit, which go on for as long as it takes. */
export const workBackoff: Backoff = { initialMs: 50, maxMs: 5_000 };
/** Between tries of a connection, and of what is sent or asked over it while others wait. */
export const connectionBackoff: Backoff = { initialMs: 50, maxMs: 2_000 };
