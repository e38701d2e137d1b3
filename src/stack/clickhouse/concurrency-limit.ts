/** Lets at most `width` holders in at a time; the others wait in the order in which they came. */
export interface ConcurrencyLimit {
  /** Resolves with the function that gives the place back. Rejects when `signal` aborts while it waits. */
  enter(signal?: AbortSignal): Promise<() => void>;
}

export function concurrencyLimit(width: number): ConcurrencyLimit {
  let free = width;
  const waiting: Array<() => void> = [];
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  const ticket = (): (() => void) => {
    let held = true;
    return () => {
      if (held) leave();
      held = false;
    };
  };
  return {
    enter(signal) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (free > 0) {
        free -= 1;
        return Promise.resolve(ticket());
      }
      return new Promise((resolve, reject) => {
        const admit = (): void => {
          signal?.removeEventListener("abort", give);
          resolve(ticket());
        };
        const give = (): void => {
          const at = waiting.indexOf(admit);
          if (at >= 0) waiting.splice(at, 1);
          reject(signal?.reason);
        };
        signal?.addEventListener("abort", give, { once: true });
        waiting.push(admit);
      });
    },
  };
}
