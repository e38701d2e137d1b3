import { type Backoff, backoffMs } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import { RetryableError } from "./errors.ts";

export interface RetryOptions extends Backoff {
  readonly clock: Clock;
  /** From 0 to 1. @default Math.random */
  readonly random?: (() => number) | undefined;
  /** Ends a wait: then nothing is tried again. */
  readonly signal?: AbortSignal | undefined;
  /** It is tried once more, at once, where the signal has ended a wait. @default false */
  readonly lastTry?: boolean;
  /** How often it is tried again. @default as often as it takes */
  readonly attempts?: number;
  /** Whether a failure may pass by itself. @default a RetryableError may */
  readonly mayPass?: (error: unknown) => boolean;
  /** Told of each failure that is waited for. */
  readonly onFailure?: (error: unknown, about: { readonly failed: number; readonly waitMs: number }) => void;
}

/** Calls until it works, and waits between tries. Rejects with the failure that does not pass, or behind which nothing is tried again. */
export async function retry<Result>(
  call: (failed: number) => Result | Promise<Result>,
  { clock, random, signal, lastTry = false, attempts, mayPass = isRetryable, onFailure, ...backoff }: RetryOptions,
): Promise<Result> {
  for (let failed = 0; ; failed++) {
    try {
      return await call(failed);
    } catch (error) {
      if (failed === attempts || signal?.aborted || !mayPass(error)) throw error;
      const waitMs = backoffMs(failed, backoff, random);
      onFailure?.(error, { failed: failed + 1, waitMs: Math.round(waitMs) });
      await clock.sleep(waitMs, signal);
      if (signal?.aborted && !lastTry) throw error;
    }
  }
}

const isRetryable = (error: unknown): boolean => error instanceof RetryableError;
