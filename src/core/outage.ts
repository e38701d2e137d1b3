import type { Clock } from "./clock.ts";
import { HeadraceError, messageOf } from "./errors.ts";
import type { Logger } from "./log.ts";

/** What is said. */
export interface OutageTexts {
  readonly began: string;
  readonly over: string;
}

/**
 * Tells of an outage once when it begins, once for each further kind of failure, and once when it is over: how long it lasted, and how
 * often something failed, by the code of the error.
 */
export class Outage {
  readonly #texts: OutageTexts;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #failures = new Map<string, number>();
  #since = 0;

  constructor(texts: OutageTexts, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#texts = texts;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Logs the first failure of a kind as a warning, and those that follow at the level debug. */
  failed(error: unknown, about: object = {}): void {
    if (this.#failures.size === 0) this.#since = this.#clock.monotonic();
    const { code, hint } = error instanceof HeadraceError ? error : { code: "unknown", hint: undefined };
    const count = this.#failures.get(code) ?? 0;
    this.#failures.set(code, count + 1);
    const fields = { ...about, error: messageOf(error), ...(hint !== undefined && { hint }) };
    this.#logger[count === 0 ? "warn" : "debug"](fields, this.#texts.began);
  }

  over(about: object = {}): void {
    if (this.#failures.size === 0) return;
    const lastedMs = Math.round(this.#clock.monotonic() - this.#since);
    this.#logger.info({ ...about, lastedMs, failures: Object.fromEntries(this.#failures) }, this.#texts.over);
    this.#failures.clear();
  }
}
