import type { Effects, Run } from "./run.ts";

/** Passes each value on, in order; from the first promise on, each waits for the one before. */
export const each = (values: readonly unknown[], next: Run, effects: Effects): void | Promise<void> =>
  values.length === 1 ? next(values[0], effects) : inTurn(values, (value) => next(value, effects));

export function inTurn<Value>(values: readonly Value[], take: (value: Value) => void | Promise<void>): void | Promise<void> {
  for (let i = 0; i < values.length; i++) {
    const pending = take(values[i] as Value);
    if (pending) return values.slice(i + 1).reduce<Promise<void>>((before, rest) => before.then(() => take(rest)), pending);
  }
}
