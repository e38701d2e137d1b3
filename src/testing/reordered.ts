import { ConfigError } from "../core/errors.ts";
import { xxhash64 } from "../core/hash.ts";

/** How events come out of the order of their times. */
export interface Reorder {
  /** By how much, at most, in event time, milliseconds: windows that allow for as much lateness take all of them. */
  readonly withinMs: number;
  /** Chooses one of many orders; the same seed gives the same one. @default 1 */
  readonly seed?: number;
}

/** Each comes as much later than its time as chance has it, up to `withinMs`. @throws ConfigError when that is no duration */
export function reordered<One extends { readonly at: number }>(
  all: readonly One[],
  { withinMs, seed = 1 }: Reorder,
): readonly One[] {
  if (!(Number.isFinite(withinMs) && withinMs > 0)) {
    throw new ConfigError("usage", `reorder: withinMs is ${withinMs}`, { hint: "Give milliseconds of event time, above 0." });
  }
  // A part of the hash as a fraction of one: 32 bits are enough, and are exact.
  const chance = (i: number) => Number(xxhash64(`${seed} ${i}`) & 0xffffffffn) / 2 ** 32;
  return all
    .map((one, i) => ({ one, comes: one.at + chance(i) * withinMs }))
    .toSorted((a, b) => a.comes - b.comes)
    .map(({ one }) => one);
}
