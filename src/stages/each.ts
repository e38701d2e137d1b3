import type { Outcomes, Run } from "./run.ts";

/** Takes each value on, in order: from the first promise on, the rest waits its turn. */
export function each(values: readonly unknown[], next: Run, outcomes: Outcomes): void | Promise<void> {
  for (let i = 0; i < values.length; i++) {
    const pending = next(values[i], outcomes);
    if (pending)
      return values.slice(i + 1).reduce<Promise<void>>((before, rest) => before.then(() => next(rest, outcomes)), pending);
  }
}
