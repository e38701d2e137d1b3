import { backoffMs, workBackoff } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { messageOf, RetryableError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { setAside } from "../../stages/failures.ts";
import type { Effects, Run } from "../../stages/run.ts";
import type { Telemetry } from "../../telemetry/port.ts";
import type { KeyQueue } from "./key-queue.ts";

/** Takes what becomes of a value, and can forget it. */
export interface RetriableEffects extends Effects {
  /** The event that the value comes from. */
  readonly eventId: string;
  /** Forgets what became of the value so far: it goes through the stages again. */
  again(): void;
}

export interface UntilDecidedDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** The events that wait. */
  readonly queue: KeyQueue;
  /** Ends waiting: what waits is left to the next owner. */
  readonly signal: AbortSignal;
  /** Where the stages are, for the log. */
  readonly about: { readonly partition: string; readonly pipeline: string };
}

/** How a try has ended that decided nothing. */
type Failure = { readonly kind: "again"; readonly error: RetryableError } | { readonly kind: "broken"; readonly error: unknown };

/**
 * Takes values through stages that keep no state, each by itself, until they have decided. A value that asks to be tried again is, after a
 * longer wait each time, and the events of its key wait for it; other keys go on. Any other failure sets the event aside.
 *
 * Returns a promise only where a value has to wait. It rejects with a ConfigError (the pipeline stops), or the reason of the signal.
 */
export function untilDecided(
  run: Run,
  deps: UntilDecidedDeps,
): (value: unknown, key: string, effects: RetriableEffects) => void | Promise<void> {
  const { queue } = deps;
  return (value, key, effects) => {
    if (queue.has(key)) return queue.add(key, () => tryOn(value, effects));
    try {
      const pending = run(value, effects);
      return pending && queue.add(key, () => pending.catch((error) => persist(value, effects, failureOf(error))));
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind === "again") return queue.add(key, () => persist(value, effects, failure));
      setAside(effects, error, value);
    }
  };

  async function tryOn(value: unknown, effects: RetriableEffects): Promise<void> {
    deps.signal.throwIfAborted();
    try {
      await run(value, effects);
    } catch (error) {
      await persist(value, effects, failureOf(error));
    }
  }

  async function persist(value: unknown, effects: RetriableEffects, first: Failure): Promise<void> {
    let last = first;
    for (let failed = 1; last.kind === "again"; failed++) {
      deps.signal.throwIfAborted();
      await rest(effects, failed, last.error);
      try {
        return await run(value, effects);
      } catch (error) {
        last = failureOf(error);
      }
    }
    setAside(effects, last.error, value);
  }

  async function rest(effects: RetriableEffects, failed: number, error: RetryableError): Promise<void> {
    const { clock, logger, telemetry, signal, about } = deps;
    const event = effects.eventId;
    const waitMs = backoffMs(failed, workBackoff);
    if (failed === 1)
      logger.warn({ ...about, event, error: messageOf(error) }, "a stage asked to try again: the events of this key wait");
    telemetry.retry?.({ of: "event", ...about, event, failed, waitMs, code: error.code });
    effects.again();
    await clock.sleep(waitMs, signal);
    signal.throwIfAborted();
  }
}

const failureOf = (error: unknown): Failure =>
  error instanceof RetryableError ? { kind: "again", error } : { kind: "broken", error };
