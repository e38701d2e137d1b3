import type { Clock } from "../core/clock.ts";
import { onAbort } from "../core/on-abort.ts";

interface Timer {
  readonly at: number;
  readonly wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class VirtualClock implements Clock {
  #wall: number;
  #elapsed = 0;
  #timers: readonly Timer[] = [];

  /** `start`: what the wall shows at first, milliseconds since the epoch. */
  constructor(start: number = Date.UTC(2026, 0, 1)) {
    this.#wall = start;
  }

  now(): number {
    return this.#wall + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
        leave?.();
        resolve();
      };
      const timer = { at: this.#elapsed + Math.max(0, ms), wake };
      this.#timers = [...this.#timers, timer];
      const leave = signal && onAbort(signal, wake);
    });
  }

  /** Puts the wall clock forward or back, as an operator does; timers and durations do not notice. */
  setWall(byMs: number): void {
    this.#wall += byMs;
  }

  /** Moves time on, timer by timer; what is ready runs in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await idle();
    for (let next = this.#next(); next && next.at <= end; next = this.#next()) await this.#ring(next);
    this.#elapsed = end;
  }

  /** Moves time from timer to timer until `holds`. */
  async until(holds: () => boolean | Promise<boolean>, limitMs = 3_600_000): Promise<void> {
    const end = this.#elapsed + limitMs;
    for (;;) {
      await idle();
      if (await holds()) return;
      // Looking may have set something going.
      await idle();
      const next = this.#next();
      if (!next) {
        if (await holds()) return;
        throw new Error("nothing is going to happen any more");
      }
      if (next.at > end) throw new Error(`it did not come true within ${limitMs} ms of virtual time`);
      await this.#ring(next);
    }
  }

  /** Moves time on until the promise has settled, and gives its result. */
  async settle<Result>(promise: Promise<Result>): Promise<Result> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.until(() => isSettled);
    return promise;
  }

  async #ring(timer: Timer): Promise<void> {
    this.#elapsed = Math.max(this.#elapsed, timer.at);
    timer.wake();
    await idle();
  }

  #next(): Timer | undefined {
    return this.#timers.reduce<Timer | undefined>((first, timer) => (first && first.at <= timer.at ? first : timer), undefined);
  }
}

/** Lets everything run that waits for nothing but its turn. */
export const idle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
