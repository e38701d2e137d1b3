import { backoffMs } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { messageOf, RetryableError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { setAside } from "../../stages/pursue.ts";
import type { Effects, Run } from "../../stages/run.ts";
import type { Parking } from "./parking.ts";

/** Takes what becomes of a value, and can forget it. */
export interface Tried extends Effects {
  /** The event that the value comes from. */
  readonly eventId: string;
  /** Forgets what became of the value so far: it goes through the stages again. */
  again(): void;
}

export interface TryingDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The keys that wait. */
  readonly parking: Parking;
  /** Ends waiting: what waits is left to the next owner. */
  readonly signal: AbortSignal;
  /** Where the stages are, for the log. */
  readonly about: { readonly partition: string; readonly pipeline: string };
}

const retryLimits = { initialMs: 50, maxMs: 5_000 } as const;

/**
 * Takes values through stages that keep no state, each by itself and until they have decided: what asks to be tried again is, later each
 * time, and parks its key; other keys go on. What fails otherwise is set aside.
 *
 * Returns a promise only where a value has to wait. It rejects with a ConfigError (the pipeline stops), or the reason of the signal.
 */
export function untilDecided(
  run: Run,
  { clock, logger, parking, signal, about }: TryingDeps,
): (value: unknown, key: string, effects: Tried) => void | Promise<void> {
  return (value, key, effects) => {
    if (parking.has(key)) return parking.add(key, () => persist(value, effects));
    try {
      const pending = run(value, effects);
      return pending && parking.add(key, () => pending.catch((error) => persist(value, effects, { error })));
    } catch (error) {
      if (error instanceof RetryableError) return parking.add(key, () => persist(value, effects, { error }));
      setAside(effects, error, value);
    }
  };

  /** `failure`: how an earlier try has ended. */
  async function persist(value: unknown, effects: Tried, failure?: { readonly error: unknown }): Promise<void> {
    let last = failure;
    for (let failed = last ? 1 : 0; ; failed++) {
      if (last && !(last.error instanceof RetryableError)) return setAside(effects, last.error, value);
      signal.throwIfAborted();
      if (last) {
        const why = { ...about, event: effects.eventId, error: messageOf(last.error) };
        if (failed === 1) logger.warn(why, "a stage asked to try again: the events of this key wait");
        effects.again();
        await clock.sleep(backoffMs(failed, retryLimits), signal);
        signal.throwIfAborted();
      }
      try {
        return await run(value, effects);
      } catch (error) {
        last = { error };
      }
    }
  }
}
