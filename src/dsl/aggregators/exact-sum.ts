import { nth } from "../../core/nth.ts";
/**
 * A sum as numbers that do not overlap, the least first: together they are the sum itself, without any rounding. Two or three
 * are enough for most. (J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates",
 * 1997, GROW-EXPANSION; Python's math.fsum rests on it too.)
 */
export type Exact = number[];

/** Adds a finite number; changes `parts` and returns them. */
export function addExactly(parts: Exact, number: number): Exact {
  let high = number;
  let kept = 0;
  for (const part of parts) {
    const [large, small] = Math.abs(high) < Math.abs(part) ? [part, high] : [high, part];
    const rounded = large + small;
    const rest = small - (rounded - large);
    if (rest !== 0) parts[kept++] = rest;
    high = rounded;
  }
  parts.length = kept;
  if (high !== 0) parts.push(high);
  return parts;
}

/** The sum, rounded once. */
export function sumOf(parts: Exact): number {
  let at = parts.length - 1;
  let high = parts[at] ?? 0;
  let rest = 0;
  while (at > 0) {
    const before = high;
    const next = nth(parts, --at);
    high = before + next;
    rest = next - (high - before);
    if (rest !== 0) break;
  }
  // Half way between two numbers, what lies further down decides where it goes.
  const below = parts[at - 1] ?? 0;
  if ((rest < 0 && below < 0) || (rest > 0 && below > 0)) {
    const twice = rest * 2;
    const nudged = high + twice;
    if (twice === nudged - high) return nudged;
  }
  return high;
}
