import type { Clock } from "../core/clock.ts";
import { onAbort } from "../core/on-abort.ts";

interface ClockTimer {
  readonly at: number;
  readonly wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class VirtualClock implements Clock {
  #wall: number;
  #elapsed = 0;
  #timers: readonly ClockTimer[] = [];
  #held = 0;
  #onReleased: readonly (() => void)[] = [];

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

  /** Time stands still until the returned function is called: something is under way that does not wait for it. */
  hold(): () => void {
    this.#held++;
    return () => this.#release();
  }

  /** Lets time go on while its holder waits for something that needs time to happen. */
  async whileHeld<Result>(waited: Promise<Result>): Promise<Result> {
    this.#release();
    try {
      return await waited;
    } finally {
      this.#held++;
    }
  }

  #release(): void {
    this.#held--;
    const waiting = this.#onReleased;
    this.#onReleased = [];
    for (const goOn of waiting) goOn();
  }

  /** Moves time on, timer by timer; what is ready runs in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await this.#settled();
    for (let next = this.#next(); next && next.at <= end; next = this.#next()) await this.#fire(next);
    this.#elapsed = end;
  }

  /** Moves time to the next timer, if that is no later than `end` of the monotonic clock. @returns whether there was one */
  async advanceToNext(end: number): Promise<boolean> {
    await this.#settled();
    const next = this.#next();
    if (!next || next.at > end) return false;
    await this.#fire(next);
    return true;
  }

  /** Moves time from timer to timer until `holds`. */
  async until(holds: () => boolean | Promise<boolean>, limitMs = 3_600_000): Promise<void> {
    switch (await this.seek(holds, limitMs)) {
      case "found":
        return;
      case "still":
        throw new Error("nothing is going to happen any more");
      case "late":
        throw new Error(`it did not come true within ${limitMs} ms of virtual time`);
    }
  }

  /** The same, and says how it ended: `still`, where no timer is left; `late`, where the next is beyond the limit. */
  async seek(holds: () => boolean | Promise<boolean>, limitMs: number): Promise<"found" | "still" | "late"> {
    const end = this.#elapsed + limitMs;
    for (;;) {
      await this.#settled();
      if (await holds()) return "found";
      // Looking may have set something going.
      await this.#settled();
      const next = this.#next();
      if (!next) return (await holds()) ? "found" : "still";
      if (next.at > end) return "late";
      await this.#fire(next);
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

  async #fire(timer: ClockTimer): Promise<void> {
    this.#elapsed = Math.max(this.#elapsed, timer.at);
    timer.wake();
    await this.#settled();
  }

  /** Until all has run that can, and nobody holds the time. */
  async #settled(): Promise<void> {
    await idle();
    while (this.#held > 0) {
      await new Promise<void>((resolve) => {
        this.#onReleased = [...this.#onReleased, resolve];
      });
      await idle();
    }
  }

  #next(): ClockTimer | undefined {
    return this.#timers.reduce<ClockTimer | undefined>(
      (first, timer) => (first && first.at <= timer.at ? first : timer),
      undefined,
    );
  }
}

/** Lets everything run that waits for nothing but its turn. */
export const idle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
