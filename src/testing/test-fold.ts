import { deepStrictEqual } from "node:assert/strict";
import { ConfigError } from "../core/errors.ts";
import type { KeyedFoldOptions } from "../dsl/keyed.ts";
import type { DeadLettered, Dropped } from "../plan/plan.ts";
import { evolved } from "../stages/fold.ts";

/** What a fold does with one key: the part of its options that is pure. */
export type FoldToTest<T, State, Decided> = Pick<
  KeyedFoldOptions<T, State, Decided>,
  "initial" | "decide" | "evolve" | "timers" | "onTimer"
>;

/** One key of a fold, as far as it has come. Each method leaves it as it is and gives the next one; those named `then…` throw an AssertionError. */
export interface FoldTest<in T, State, Decided> {
  /** What is kept, as it comes back from where it is kept, which is JSON; null where nothing is. */
  readonly state: State | null;
  /** What followed from the last value or timer. */
  readonly decided: readonly Decided[] | Dropped | DeadLettered;
  /** Values that came before. */
  given(...values: readonly T[]): FoldTest<T, State, Decided>;
  /** A value comes. */
  when(value: T): FoldTest<T, State, Decided>;
  /** A timer fires that the state asks for. @throws ConfigError when it asks for none of that name */
  whenRings(timer: string): FoldTest<T, State, Decided>;
  /** Exactly these follow, in their order. */
  thenDecided(...expected: readonly Decided[]): FoldTest<T, State, Decided>;
  /** It was dropped for this reason. */
  thenDropped(reason: string): FoldTest<T, State, Decided>;
  /** It was set aside for this reason. */
  thenDeadLettered(reason: string): FoldTest<T, State, Decided>;
  /** Exactly this is kept; null: nothing is. */
  thenState(expected: State | null): FoldTest<T, State, Decided>;
}

/**
 * Tests a fold's rules without a pipeline: given values, when one comes or a timer fires, then something follows. It needs no test runner;
 * `decided` and `state` are there for the matchers of yours.
 *
 * @throws ConfigError `usage` by `whenRings`, where the state asks for no timer of that name
 * @example
 * ```ts
 * testFold({
 *   initial: { cents: 0 },
 *   decide: ({ cents }, paid: number) => (paid > 0 ? [{ cents: cents + paid }] : drop("no money")),
 *   evolve: (_, { cents }) => ({ cents }),
 * })
 *   .given(600)
 *   .when(400)
 *   .thenDecided({ cents: 1_000 })
 *   .thenState({ cents: 1_000 });
 * ```
 */
export function testFold<T, State, Decided>(fold: FoldToTest<T, State, Decided>): FoldTest<T, State, Decided> {
  return at(null, []);

  function at(state: State | null, decided: FoldTest<T, State, Decided>["decided"]): FoldTest<T, State, Decided> {
    const self: FoldTest<T, State, Decided> = {
      state,
      decided,
      given: (...values) => values.reduce((before: FoldTest<T, State, Decided>, value) => before.when(value), self),
      when: (value) => after(fold.decide(state ?? fold.initial, value)),
      whenRings: (name) => {
        const timers = state === null ? {} : (fold.timers?.(state) ?? {});
        const timer = timers[name];
        if (state === null || !timer) {
          throw new ConfigError("usage", `the state asks for no timer '${name}'`, {
            hint: `It asks for ${Object.keys(timers).join(" and ") || "none"}.`,
          });
        }
        return after(fold.onTimer?.(state, { name, at: timer.at ?? new Date() }) ?? []);
      },
      thenDecided: (...expected) => check(decided, expected),
      thenDropped: (reason) => check(decided, { kind: "dropped", reason }),
      thenDeadLettered: (reason) => check(decided, { kind: "deadLettered", reason }),
      thenState: (expected) => check(state, expected),
    };
    return self;

    function after(next: FoldTest<T, State, Decided>["decided"]): FoldTest<T, State, Decided> {
      if ("kind" in next) return at(state, next);
      const moved = evolved({ name: "fold", evolve: fold.evolve }, state ?? fold.initial, next);
      return at(moved === null ? null : JSON.parse(JSON.stringify(moved)), next);
    }

    function check(actual: unknown, expected: unknown): FoldTest<T, State, Decided> {
      deepStrictEqual(actual, expected);
      return self;
    }
  }
}
