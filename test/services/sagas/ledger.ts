import { ApplicationFailure } from "@temporalio/common";

export type LedgerActivities = ReturnType<Ledger["activities"]>;

/** What a call is made to do instead of what it should. `undefined`: as it should. */
export type Trouble = (attempt: number, effect: () => string) => Promise<string | undefined> | string | undefined;

/** A participant that keeps its books in memory, by key; and stands repeats, an undo of what never came, and a do behind its undo. */
export class Ledger {
  /** What was called, in order, by verb and step. */
  readonly calls: string[] = [];
  /** What each step has come to. */
  readonly books = new Map<string, "done" | "undone">();
  /** Trouble by verb and step, such as `act flight`. */
  readonly troubles = new Map<string, Trouble>();
  readonly #attempts = new Map<string, number>();

  activities() {
    const verb =
      (name: "act" | "undo" | "look", effect: (key: string) => string) =>
      async (key: string, note?: string): Promise<string> => {
        const step = key.slice(key.lastIndexOf("/") + 1);
        const call = `${name} ${step}`;
        this.calls.push(note === undefined ? call : `${call} (${note.slice(note.lastIndexOf("/") + 1)})`);
        const attempt = (this.#attempts.get(call) ?? 0) + 1;
        this.#attempts.set(call, attempt);
        return (await this.troubles.get(call)?.(attempt, () => effect(key))) ?? effect(key);
      };
    return {
      act: verb("act", (key) => {
        const step = key.slice(key.lastIndexOf("/") + 1);
        if (this.books.get(step) === "undone") throw ApplicationFailure.nonRetryable("it was undone before", "Superseded");
        this.books.set(step, "done");
        return `${step} done`;
      }),
      undo: verb("undo", (key) => {
        this.books.set(key.slice(key.lastIndexOf("/") + 1), "undone");
        return "undone";
      }),
      look: verb("look", () => "12 euros"),
    };
  }
}

export const refuses: Trouble = () => {
  throw ApplicationFailure.nonRetryable("we would rather not", "Declined");
};
export const faults =
  (times = Number.POSITIVE_INFINITY): Trouble =>
  (attempt) => {
    if (attempt <= times) throw new Error("the line is dead");
    return undefined;
  };
/** It happens, and nobody hears of it. */
export const losesReplies =
  (times = Number.POSITIVE_INFINITY): Trouble =>
  (attempt, effect) => {
    const result = effect();
    if (attempt <= times) throw new Error("the line went dead before the reply came");
    return result;
  };
