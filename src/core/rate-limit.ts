import type { Clock } from "./clock.ts";

/** How much may go: `burst` at once after a rest, and `perSecond` in the long run. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Makes callers wait that come too fast. In any time, no more than `burst + perSecond × seconds` goes through. */
export interface RateLimit {
  /** Resolves when `amount` may go, which may be more than the burst, or at once when `signal` aborts. Never rejects. */
  take(amount: number, signal: AbortSignal): Promise<void>;
}

/**
 * A limit of this process alone: a token bucket that remembers only when it will be full again. Whoever comes takes its
 * tokens at once and waits until they are there, so all are served in the order in which they came.
 */
export function createRateLimit({ perSecond, burst }: Rate, clock: Clock): RateLimit {
  const msPerToken = 1_000 / perSecond;
  let fullAt = Number.NEGATIVE_INFINITY;
  return {
    async take(amount, signal) {
      if (signal.aborted) return;
      const now = clock.monotonic();
      const cost = amount * msPerToken;
      fullAt = Math.max(fullAt, now) + cost;
      const waitMs = fullAt - burst * msPerToken - now;
      if (waitMs <= 0) return;
      await clock.sleep(waitMs, signal);
      // Those behind have their times already; whoever comes next need not wait for what did not go.
      if (signal.aborted) fullAt -= cost;
    },
  };
}

/** Shorter waits cost more than they wait, and a timer takes a millisecond at least, seconds. */
const slackSeconds = 0.005;

/** A limit for a steady pace: five milliseconds' worth may go at once, and at least one. */
export const createPace = (perSecond: number, clock: Clock): RateLimit =>
  createRateLimit({ perSecond, burst: Math.max(1, perSecond * slackSeconds) }, clock);
