import { ConfigError, HeadraceError, messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import type { Outcomes, Run } from "./run.ts";

/** The failure concerns all events, not the one under way alone. */
export const concernsEveryone = (error: unknown): boolean => error instanceof RetryableError || error instanceof ConfigError;

/** What is stored for a key cannot be read as a state. */
export const isUnreadable = (error: unknown): boolean => error instanceof TerminalError && error.code === "state.unreadable";

/** Passes on a result that no single event has caused. Where that fails, this result alone becomes a dead letter. */
export function passOn(next: Run, value: unknown, outcomes: Outcomes): void | Promise<void> {
  try {
    const pending = next(value, outcomes);
    return pending?.catch((error) => setAside(outcomes, error, value));
  } catch (error) {
    setAside(outcomes, error, value);
  }
}

/** @throws the error again where it concerns everyone */
export function setAside(outcomes: Pick<Outcomes, "deadLetter">, error: unknown, value: unknown): void {
  if (concernsEveryone(error)) throw error;
  const reason = isUnreadable(error) ? "state-unreadable" : "stage-failed";
  outcomes.deadLetter({ stage: "stages", reason, error: describeFailure(error), value });
}

/** A call that fails once its signal has aborted says nothing about its event: the event is left to the next owner. */
export const brokenOff =
  ({ call }: Pick<Outcomes, "call">) =>
  (error: unknown): never => {
    if (!call.signal.aborted || concernsEveryone(error)) throw error;
    throw new RetryableError("stop.asked", "a stage's call was broken off, since the worker lets go of the partition", {
      cause: error,
    });
  };

export function describeFailure(error: unknown): string {
  const name = error instanceof Error && !(error instanceof HeadraceError) ? `${error.name}: ` : "";
  return `${name}${messageOf(error)}`.slice(0, 500);
}
