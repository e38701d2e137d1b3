import { Breaker } from "../core/breaker.ts";
import type { Clock } from "../core/clock.ts";
import { RetryableError } from "../core/errors.ts";
import { silentLogger } from "../core/log.ts";

/** When a service counts as ill, and when it is tried again. */
export interface BreakerOptions {
  /** Failures in a row that open it. @default 5 */
  readonly failures?: number;
  /** A call without answer for this long opens it too, milliseconds. @default 3000 */
  readonly slowMs?: number;
  /** How long it stays open before one call is let through as a probe, milliseconds. @default 1000 */
  readonly openMs?: number;
}

/**
 * Judges a service by the calls to it, and spares it while it is ill: a breaker that slow calls open too, and that lets calls wait
 * their time out instead of refusing them. Closed: every call runs. Open: calls wait; then one runs as the probe. It closes the
 * breaker by an answer in good time; if not, another probe follows after `openMs`.
 */
export class ProducerBreaker {
  readonly #options: Required<BreakerOptions>;
  readonly #clock: Clock;
  readonly #breaker: Breaker;
  #slowCalls = 0;

  constructor({ failures = 5, slowMs = 3_000, openMs = 1_000 }: BreakerOptions, clock: Clock) {
    this.#options = { failures, slowMs, openMs };
    this.#clock = clock;
    // The caller logs the outage.
    this.#breaker = new Breaker({ name: "the bus", failures, openMs }, { clock, logger: silentLogger });
  }

  /** How long to keep away, milliseconds; undefined while the service is well, and when a probe is due. */
  get retryAfterMs(): number | undefined {
    const left = Math.ceil(this.#breaker.leftMs);
    if (left > 0) return left;
    return this.#slowCalls > 0 ? this.#options.openMs : undefined;
  }

  /** Runs a call when it is its turn: at once while closed, else as a probe. After `signal`, at once. */
  async run<Result>(call: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    while (!this.#breaker.enter() && !signal?.aborted) await this.#breaker.ready(signal);
    const answered = new AbortController();
    let isSlow = false;
    void this.#clock.sleep(this.#options.slowMs, answered.signal).then(() => {
      if (answered.signal.aborted) return;
      isSlow = true;
      this.#slowCalls++;
      this.#breaker.trip();
    });
    try {
      const result = await call();
      // A late answer does not say that the next one will be in time: that is for a probe to find out.
      if (!isSlow) this.#breaker.succeeded();
      return result;
    } catch (error) {
      if (error instanceof RetryableError) this.#breaker.failed();
      throw error;
    } finally {
      answered.abort();
      if (isSlow) this.#slowCalls--;
    }
  }
}
