import { onAbort } from "./on-abort.ts";

/**
 * Counts events in flight, and lets whoever brings more wait until there is room, first come, first served: the whole of
 * backpressure. Redis keeps the rest.
 */
export class InFlightLimit {
  readonly #limit: number;
  #inFlight = 0;
  readonly #waiters = new Set<() => void>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get hasRoom(): boolean {
    return this.#inFlight < this.#limit;
  }

  add(amount: number): void {
    this.#inFlight += amount;
  }

  remove(amount: number): void {
    this.#inFlight -= amount;
    for (const wake of this.#waiters) {
      if (!this.hasRoom) return;
      wake();
    }
  }

  /** Resolves with true when there is room, and `amount` of it is taken; with false when the signal aborts before. */
  async waitForRoom(signal: AbortSignal, amount = 0): Promise<boolean> {
    if (signal.aborted) return false;
    if (!this.hasRoom) return this.#waitForTurn(signal, amount);
    this.add(amount);
    return true;
  }

  #waitForTurn(signal: AbortSignal, amount: number): Promise<boolean> {
    return new Promise((resolve) => {
      const leave = (isOurs: boolean) => {
        unlisten();
        this.#waiters.delete(wake);
        resolve(isOurs);
      };
      const wake = () => {
        this.add(amount);
        leave(true);
      };
      this.#waiters.add(wake);
      const unlisten = onAbort(signal, () => leave(false));
    });
  }
}
