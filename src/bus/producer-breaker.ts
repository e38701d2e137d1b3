import type { Clock } from "../core/clock.ts";
import { RetryableError } from "../core/errors.ts";

export interface BreakerOptions {
  /** Failures in a row that open it. @default 5 */
  readonly failures?: number;
  /** A call without answer for this long opens it too, milliseconds. @default 3000 */
  readonly slowMs?: number;
  /** How long it stays open before one call is let through as a probe, milliseconds. @default 1000 */
  readonly openMs?: number;
}

/**
 * Judges a service by the calls to it, and spares it while it is ill. Closed: every call runs. Open: calls wait their time
 * out; then one runs as the probe. It closes the breaker by an answer in good time; if not, another probe follows after `openMs`.
 *
 * Not a policy of cockatiel, which guards the stages: that one knows no slow calls, rejects what has to wait here, and measures
 * by the wall clock, so that an operator who sets it back by an hour would keep a healthy service shut out for an hour.
 */
export class Breaker {
  readonly #options: Required<BreakerOptions>;
  readonly #clock: Clock;
  #failures = 0;
  #slowCalls = 0;
  /** When the next probe may run, by the monotonic clock; undefined while closed. */
  #openUntil: number | undefined;
  #closing = new AbortController();

  constructor({ failures = 5, slowMs = 3_000, openMs = 1_000 }: BreakerOptions, clock: Clock) {
    this.#options = { failures, slowMs, openMs };
    this.#clock = clock;
  }

  /** How long to keep away, milliseconds; undefined while the service is well, and when a probe is due. */
  get retryAfterMs(): number | undefined {
    if (this.#openUntil === undefined) return undefined;
    const left = Math.ceil(this.#openUntil - this.#clock.monotonic());
    if (left > 0) return left;
    return this.#slowCalls > 0 ? this.#options.openMs : undefined;
  }

  /** Runs a call when it is its turn: at once while closed, else as a probe. After `signal`, at once. */
  async run<Result>(call: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    while (!this.#mayRun() && !signal?.aborted) await this.#pause(signal);
    const answered = new AbortController();
    let isSlow = false;
    void this.#clock.sleep(this.#options.slowMs, answered.signal).then(() => {
      if (answered.signal.aborted) return;
      isSlow = true;
      this.#slowCalls++;
      this.#open();
    });
    try {
      const result = await call();
      if (!isSlow) this.#close();
      return result;
    } catch (error) {
      if (error instanceof RetryableError && ++this.#failures >= this.#options.failures) this.#open();
      throw error;
    } finally {
      answered.abort();
      if (isSlow) this.#slowCalls--;
    }
  }

  #mayRun(): boolean {
    if (this.#openUntil === undefined) return true;
    if (this.#clock.monotonic() < this.#openUntil) return false;
    // This call is the probe. The others wait for what comes of it, but no longer than for the next one.
    this.#openUntil = this.#clock.monotonic() + this.#options.openMs;
    return true;
  }

  async #pause(signal: AbortSignal | undefined): Promise<void> {
    const left = (this.#openUntil ?? 0) - this.#clock.monotonic();
    const { signal: closed } = this.#closing;
    await this.#clock.sleep(left, signal ? AbortSignal.any([signal, closed]) : closed);
  }

  #open(): void {
    this.#openUntil = this.#clock.monotonic() + this.#options.openMs;
  }

  #close(): void {
    this.#failures = 0;
    if (this.#openUntil === undefined) return;
    this.#openUntil = undefined;
    this.#closing.abort();
    this.#closing = new AbortController();
  }
}
