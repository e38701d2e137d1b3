import { ConfigError } from "../core/errors.ts";
import type { StatePlan } from "../plan/stage.ts";
import { checkOptions, text } from "./check-options.ts";

/** What a fold keeps of each key. */
export interface KeptState<out State> {
  /** Which fold of which pipeline keeps it. */
  readonly plan: StatePlan;
  /** Carries the type parameter; there is no such value. */
  readonly _state?: State;
}

/**
 * The type that a declared state has.
 *
 * @example
 * ```ts
 * const balance = defineState<{ readonly cents: number }>("balance", { pipeline: "accounts" });
 * type Balance = StateOf<typeof balance>;
 * ```
 */
export type StateOf<Declared> = Declared extends KeptState<infer State> ? State : never;

/** Where a state is kept. */
export interface KeptStateOptions {
  /** The pipeline whose fold keeps it: no other writes it. */
  readonly pipeline: string;
}

/**
 * Declares what a fold keeps of each key: the fold is given it in the place of its name, and activities read by it, so that both mean
 * one type. It belongs beside the streams, where activities may import it.
 *
 * @param name the name of the fold
 * @throws ConfigError on an empty name
 * @example
 * ```ts
 * interface Balance {
 *   readonly cents: number;
 * }
 * const balance = defineState<Balance>("balance", { pipeline: "accounts" });
 * // In the pipeline: .fold(balance, { key, initial, decide, evolve }). In an activity: await stateOf(balance, accountId)
 * ```
 */
export function defineState<State>(name: string, { pipeline }: KeptStateOptions): KeptState<State> {
  checkOptions("a state", { name, pipeline }, { name: text, pipeline: text });
  return { plan: { kind: "state", name, pipeline } };
}

/** The name of a fold, given as a text or as the declaration of what it keeps. @throws ConfigError where another pipeline keeps that */
export function foldName(given: string | KeptState<unknown>, pipeline: string): string {
  if (typeof given === "string") return given;
  const { name, pipeline: keeper } = given.plan;
  if (keeper === pipeline) return name;
  throw new ConfigError(
    "config.invalid",
    `pipeline '${pipeline}': the state '${name}' is declared as that of pipeline '${keeper}'`,
    {
      hint: `Declare another one: defineState("${name}", { pipeline: "${pipeline}" }).`,
    },
  );
}
