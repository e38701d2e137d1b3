import type { Clock } from "../../core/clock.ts";
import { RetryableError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { Outage } from "../../core/outage.ts";
import type { KeyedState } from "../../state/keyed-state.ts";

/** Whether timers are to fire with no entry to go by. `atRest`: nothing is left to be read, so event time goes on by the clock. */
export type Due = { readonly kind: "none" } | { readonly kind: "due"; readonly atRest: boolean };

const none: Due = { kind: "none" };

/** Knows when timers are due that no entry brings along: those that the last commit could not carry, or those that fire at rest. */
export class TimerWatch {
  readonly #state: KeyedState | undefined;
  readonly #about: object;
  readonly #clock: Clock;
  readonly #outage: Outage;
  #due: Due = none;

  constructor(state: KeyedState | undefined, about: object, deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.#state = state;
    this.#about = about;
    this.#clock = deps.clock;
    this.#outage = new Outage({ began: "timers cannot be looked at, trying again", over: "timers can be looked at again" }, deps);
  }

  /** What is due, once. */
  take(): Due {
    const due = this.#due;
    this.#due = none;
    return due;
  }

  /** A batch is through the stages. `moreDue`: timers are due that its commit could not carry. */
  afterBatch(moreDue: boolean): void {
    this.#due = moreDue ? { kind: "due", atRest: false } : none;
  }

  /** Looks whether timers are due now that nothing is left to be read; also for an owner that has read nothing yet: those of the one before go on. */
  async look(): Promise<boolean> {
    const isDue = await this.#isDue();
    this.#due = isDue ? { kind: "due", atRest: true } : none;
    return isDue;
  }

  async #isDue(): Promise<boolean> {
    if (!this.#state) return false;
    try {
      await this.#state.open();
      this.#outage.over(this.#about);
      return this.#state.isDue(this.#clock.now());
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      this.#outage.failed(error, this.#about);
      return false;
    }
  }
}
