/** Of values in order; of two in the middle, what lies between them. */
export function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The smallest value that `percent` of all values, which are in order, do not exceed. */
export const percentileOf = (sorted: ArrayLike<number>, percent: number): number =>
  sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] as number;

/** Rounded to so many parts of one: 10 is to tenths. */
export const rounded = (value: number, parts: number): number => Math.round(value * parts) / parts;

/** For people: how many times each of the others. */
export const comparison = (vs: Readonly<Record<string, number>>): string =>
  Object.entries(vs)
    .map(([rival, times]) => `${times} x ${rival}`)
    .join(", ");
