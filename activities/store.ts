import { ApplicationFailure } from "@temporalio/common";

/** The participants' own store: Redis, reached by one script a verb. */
export interface StoreDeps {
  readonly redis: {
    eval(script: string, call: { keys: string[]; arguments: string[] }): Promise<unknown>;
  };
}

/** A refusal: the participant understood, and says no. It is not tried again. */
export const refuse = (type: string, message: string): ApplicationFailure =>
  // Benign: an expected answer of the business, not an error for logs and metrics.
  ApplicationFailure.create({ type, message, nonRetryable: true, category: "BENIGN" });

/**
 * Every verb stands three things: coming twice (same answer, no second effect), an undo of what never came (success), and
 * a do that arrives after its undo (refused: the undo leaves a tombstone). Scripts answer `SUPERSEDED` for the last.
 */
export function checkSuperseded(reply: unknown, key: string): void {
  if (reply === "SUPERSEDED") throw refuse("Superseded", `'${key}' was undone before it arrived`);
}
