import { InFlightLimit } from "../../core/in-flight-limit.ts";

/** Events that wait at once, above which the next ones wait too. */
const maxWaiting = 1_000;

/**
 * The events that wait for a stage, in a queue for each key: order per key is kept, and other keys go on. Where one fails, since the
 * pipeline stops or the lease is lost, all behind it fail too, also those that come later.
 */
export class KeyQueue {
  readonly #tails = new Map<string, Promise<void>>();
  readonly #waiting = new InFlightLimit(maxWaiting);

  has(key: string): boolean {
    return this.#tails.size > 0 && this.#tails.has(key);
  }

  /** Runs `work` once everything that waited under the key is through. */
  add(key: string, work: () => void | Promise<void>): Promise<void> {
    this.#waiting.add(1);
    const tail = (this.#tails.get(key) ?? Promise.resolve()).then(work);
    this.#tails.set(key, tail);
    const leave = () => this.#waiting.remove(1);
    tail
      .then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      })
      .then(leave, leave);
    return tail;
  }

  /** Resolves when there is room for more, or the signal aborts. */
  async waitForRoom(signal: AbortSignal): Promise<void> {
    await this.#waiting.waitForRoom(signal);
  }
}
