import { ConfigError, HeadraceError, messageOf, RetryableError, TerminalError } from "../core/errors.ts";
import type { Outcomes, Run } from "./run.ts";

/** Concerns all events: it is no fault of the one under way. */
export const concernsEveryone = (error: unknown): boolean => error instanceof RetryableError || error instanceof ConfigError;

/** The state that is stored for a key is none. */
export const isUnreadable = (error: unknown): boolean => error instanceof TerminalError && error.code === "state.unreadable";

/** Takes a result on that no event alone has caused. What fails with it is set aside in its own name, and nothing else with it. */
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

/** What a call fails with once nobody waits for it any more is no fault of its event: that is left to the next owner. */
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
