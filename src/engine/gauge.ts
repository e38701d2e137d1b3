/** Counts events in flight, and lets whoever brings more wait until there is room: the whole of backpressure. Redis keeps the rest. */
export class Gauge {
  readonly #limit: number;
  #level = 0;
  #waiters: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(amount: number): void {
    this.#level += amount;
  }

  remove(amount: number): void {
    this.#level -= amount;
    if (this.#level >= this.#limit) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Resolves when the level is below the limit, or the signal aborts. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#level >= this.#limit && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#waiters.push(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
  }
}
