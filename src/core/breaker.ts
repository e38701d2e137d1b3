import type { Clock } from "./clock.ts";
import { linkAbort } from "./linked-abort.ts";
import type { Logger } from "./log.ts";

export interface BreakerConfig {
  /** What is called, for the log. */
  readonly name: string;
  /** Failures in a row that open it. */
  readonly failures: number;
  /** How long nothing is called then, milliseconds. */
  readonly openMs: number;
}

export interface BreakerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told when it opens and when it closes. */
  readonly onChange?: ((change: BreakerChange) => void) | undefined;
}

export type BreakerChange =
  | { readonly kind: "breaker-opened"; readonly of: string; readonly failures: number; readonly forMs: number }
  | { readonly kind: "breaker-closed"; readonly of: string; readonly lastedMs: number };

/**
 * Stops the calls of something that fails again and again. After `failures` in a row it opens: nothing is called for `openMs`.
 * Then one call is let through: its success closes the breaker, its failure opens it anew. Opening and closing are logged once each.
 *
 * A call that is let through and never ends holds nobody up for longer than `openMs`: then the next one may try.
 */
export class Breaker {
  readonly #options: BreakerConfig;
  readonly #deps: BreakerDeps;
  #failures = 0;
  /** While it is open. `closed` aborts when it closes. */
  #open: { until: number; readonly since: number; readonly closed: AbortController } | undefined;

  constructor(options: BreakerConfig, deps: BreakerDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** How long nothing may be called, milliseconds; 0 where a call may be tried. */
  get leftMs(): number {
    return this.#open ? Math.max(0, this.#open.until - this.#deps.clock.monotonic()) : 0;
  }

  /** Whether a call may begin now. Where it may, `succeeded` or `failed` must be told how it ended. */
  enter(): boolean {
    if (this.leftMs > 0) return false;
    // The one that is let through: for the others it is open until the answer is known.
    if (this.#open) this.#open.until = this.#deps.clock.monotonic() + this.#options.openMs;
    return true;
  }

  /** Resolves when a call may be tried, or the signal aborts. */
  async ready(signal?: AbortSignal): Promise<void> {
    while (this.#open && this.leftMs > 0 && !signal?.aborted) {
      const ended = linkAbort(signal, this.#open.closed.signal);
      await this.#deps.clock.sleep(this.leftMs, ended.signal);
      ended.unlink();
    }
  }

  succeeded(): void {
    this.#failures = 0;
    if (!this.#open) return;
    const { since, closed } = this.#open;
    closed.abort();
    this.#open = undefined;
    const lastedMs = Math.round(this.#deps.clock.monotonic() - since);
    this.#deps.logger.info({ guards: this.#options.name, lastedMs }, "the breaker has closed: it answers again");
    this.#deps.onChange?.({ kind: "breaker-closed", of: this.#options.name, lastedMs });
  }

  failed(): void {
    this.#failures += 1;
    if (this.#open || this.#failures >= this.#options.failures) this.trip();
  }

  /** Opens it, or keeps it open, however few failures there were. */
  trip(): void {
    const { name, openMs } = this.#options;
    const since = this.#deps.clock.monotonic();
    const until = since + openMs;
    if (this.#open) this.#open.until = until;
    else {
      this.#open = { until, since, closed: new AbortController() };
      this.#deps.logger.warn(
        { guards: name, failures: this.#failures, openMs },
        "the breaker has opened: nothing is called for a while",
      );
      this.#deps.onChange?.({ kind: "breaker-opened", of: name, failures: this.#failures, forMs: openMs });
    }
  }
}
