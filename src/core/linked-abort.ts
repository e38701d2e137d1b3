import { onAbort } from "./on-abort.ts";

/** A signal of one piece of work, that also ends when something longer-lived does. */
export interface LinkedAbort {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
  /** Lets go of the longer-lived signals. To be called when the work has ended. */
  unlink(): void;
}

/**
 * Links a piece of work to signals that outlive it. `AbortSignal.any` would do, but its signals stay with those that they were made
 * of: a worker that makes one for each call grows with each call.
 */
export function linkAbort(...signals: readonly (AbortSignal | undefined)[]): LinkedAbort {
  const own = new AbortController();
  const linked = signals.map((signal) => {
    const end = () => own.abort(signal?.reason);
    if (signal && !signal.aborted) return onAbort(signal, end);
    if (signal) end();
    return undefined;
  });
  return {
    signal: own.signal,
    abort: (reason) => own.abort(reason),
    unlink() {
      for (const leave of linked) leave?.();
    },
  };
}
