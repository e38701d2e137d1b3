import { minutes } from "../core/duration.ts";
import type { EnrichPlan, StageCall } from "../plan/stage.ts";
import { callback, checkOptions, count, duration, type OptionsShape, optional } from "./check-options.ts";

/** How a value is put together with what is found elsewhere, under a key that many values may share. */
export interface EnrichOptions<in T, in out Found, out Next> {
  /** What is looked for. Take no more into it than the answer depends on: values of one key share an answer. */
  readonly key: (value: T) => string;
  /**
   * Finds what belongs to a key. Whatever it returns is an answer, `undefined` and `null` too, and is kept; what it throws is not, and is
   * what the events that wait for it fail with: a RetryableError has them tried again. `signal` aborts when nobody waits for the
   * answer any more, or it took longer than `timeoutMs`.
   */
  readonly look: (key: string, call: StageCall) => Found | Promise<Found>;
  /** The value and what was found, as one. It must not change what was found: others are given the same. */
  readonly combine: (value: T, found: Found) => Next;
  /** Answers that each worker keeps, at most: the one that was not asked for longest goes. @default 10000 */
  readonly maxEntries?: number;
  /** How long an answer is used before it is looked for again, milliseconds. @default 300000, 5 minutes */
  readonly ttlMs?: number;
}

/** The options of whatever types, with the guards. */
interface EnrichDraft extends Pick<EnrichPlan, "key" | "look" | "combine" | "guards"> {
  readonly maxEntries?: number;
  readonly ttlMs?: number;
}

const shape: OptionsShape = {
  key: callback,
  look: callback,
  combine: callback,
  maxEntries: optional(count),
  ttlMs: optional(duration),
};

/** @throws ConfigError when an option is unknown or out of range */
export function enrichPlan(where: string, name: string, options: EnrichDraft): EnrichPlan {
  const { guards, ...given } = options;
  checkOptions(where, { options: given }, { options: { of: shape } });
  const { key, look, combine, maxEntries = 10_000, ttlMs = minutes(5) } = given;
  return { kind: "enrich", name, key, look, combine, cache: { maxEntries, ttlMs }, guards };
}
