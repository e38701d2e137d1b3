import type { Clock } from "../core/clock.ts";
import { type HeadraceError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";

/** Tells of an outage once when it begins, once for each further kind of failure, and once when it is over. */
export class Outage {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #failures = new Map<string, number>();
  #since = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  failed(partition: string, error: HeadraceError): void {
    if (this.#failures.size === 0) this.#since = this.#clock.monotonic();
    const count = this.#failures.get(error.code) ?? 0;
    this.#failures.set(error.code, count + 1);
    if (count > 0) return;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    this.#logger.warn({ partition, error: messageOf(error), ...hint }, "cannot store events, trying again");
  }

  over(): void {
    if (this.#failures.size === 0) return;
    const lastedMs = Math.round(this.#clock.monotonic() - this.#since);
    this.#logger.info({ lastedMs, failures: Object.fromEntries(this.#failures) }, "events are stored again");
    this.#failures.clear();
  }
}
