import { ConfigError } from "../../core/errors.ts";
import type { AggregatorPlan, Moment } from "../../plan/window.ts";

/** Gathers values of type `T` into a `Result`. Make one with `count()`, `sum(…)` and their like, or with `aggregator(…)`. */
export interface Aggregator<in T, out Result> {
  /** What it does, as data. */
  readonly plan: AggregatorPlan;
  /** Carries the type parameter; there is no such value. */
  readonly _value?: (value: T) => void;
  /** Carries the type parameter; there is no such value. */
  readonly _result?: Result;
}

/** How values become one result. All functions are pure. */
export interface AggregatorOptions<T, Gathered, Result> {
  /** What it does, in a few words. Change them when you change what is kept: windows that are open then are refused, not misread. */
  readonly does: string;
  /** What is kept of no values. JSON: strings, finite numbers, booleans, null, arrays and plain objects. */
  readonly init: () => Gathered;
  /** Adds one value. It may change what it is given, and returns it. */
  readonly add: (gathered: Gathered, value: T, moment: Moment) => Gathered;
  /** Puts two parts together. It may change the first, and returns it. */
  readonly merge: (gathered: Gathered, other: Gathered) => Gathered;
  /** What the window hands on of what is kept. */
  readonly result: (gathered: Gathered) => Result;
  /** @default structuredClone: say how where what is kept is large, or needs no copy */
  readonly copy?: (gathered: Gathered) => Gathered;
}

/**
 * Makes an aggregator of your own. Its result must be the same whatever the order of the calls of `add` and `merge`, as a sum's
 * is: events come in any order, and sessions are put together when an event closes the gap between them.
 *
 * @throws ConfigError when a function is missing
 * @example
 * ```ts
 * const longest = aggregator<{ text: string }, number, number>({
 *   does: "longest",
 *   init: () => 0,
 *   add: (most, { text }) => Math.max(most, text.length),
 *   merge: (one, other) => Math.max(one, other),
 *   result: (most) => most,
 * });
 * ```
 */
export function aggregator<T, Gathered, Result>(options: AggregatorOptions<T, Gathered, Result>): Aggregator<T, Result> {
  const { does, init, add, merge, result, copy = (gathered: Gathered) => structuredClone(gathered) } = options;
  for (const [name, part] of Object.entries({ init, add, merge, result })) {
    if (typeof part !== "function")
      throw new ConfigError("config.invalid", `aggregator '${does}' has no function '${name}'`, {
        hint: "Give does, init, add, merge and result.",
      });
  }
  return { plan: { does, init, add, merge, result, copy } };
}

/** What needs no copy: nothing changes it. */
export const itself = <Value>(value: Value): Value => value;
