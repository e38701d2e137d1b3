import { onAbort } from "./on-abort.ts";

/** Where time comes from. Injected everywhere, so that tests can own it. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Monotonic clock, milliseconds from an arbitrary start: for leases, time-outs and durations. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        leave?.();
        resolve();
      };
      const timer = setTimeout(done, ms);
      const leave = signal && onAbort(signal, done);
    }),
};
