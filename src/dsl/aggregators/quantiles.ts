import { ConfigError } from "../../core/errors.ts";
import { type Aggregator, aggregator } from "./aggregator.ts";
import { finite } from "./numbers.ts";

/** How many values fell into each bucket. Buckets of positive and negative numbers are by the logarithm of their size. */
interface QuantileSketch {
  n: number;
  zeros: number;
  readonly positive: Record<string, number>;
  readonly negative: Record<string, number>;
}

/** How exact quantiles are. */
export interface QuantilesOptions {
  /** The largest relative error of a quantile. Each halving doubles what is kept. @default 0.01 */
  readonly accuracy?: number;
}

/**
 * Quantiles of a number of each value, such as `quantiles(of, [0.5, 0.95])`, to one percent; null for no values. What is kept grows
 * with the range of the numbers, not with how many there are. The quantile q of n values is the one of rank ⌊q · (n − 1)⌋ from 0.
 * (C. Masson, J. E. Rim, H. K. Lee, "DDSketch", PVLDB 12, 2019.)
 *
 * @throws ConfigError when a quantile is not from 0 to 1, or the accuracy not between 0 and 1
 * @example
 * ```ts
 * const millis = ({ tookMs }: { readonly tookMs: number }) => tookMs;
 * const latency = { p: quantiles(millis, [0.5, 0.95, 0.99], { accuracy: 0.02 }) };
 * ```
 */
export function quantiles<T>(
  of: (value: T) => number,
  at: readonly number[],
  { accuracy = 0.01 }: QuantilesOptions = {},
): Aggregator<T, readonly (number | null)[]> {
  const wrong = at.find((quantile) => !(quantile >= 0 && quantile <= 1));
  if (wrong !== undefined || !(accuracy > 0 && accuracy < 1))
    throw new ConfigError("config.invalid", `quantiles: ${wrong ?? accuracy} is out of range`, {
      hint: "Quantiles go from 0 to 1 (0.5 is the median), and the accuracy lies between 0 and 1 (0.01 is one percent).",
    });
  const gamma = (1 + accuracy) / (1 - accuracy);
  const logGamma = Math.log(gamma);
  const bucketOf = (size: number) => Math.ceil(Math.log(size) / logGamma);
  const sizeOf = (bucket: number) => (2 * gamma ** bucket) / (gamma + 1);

  return aggregator({
    does: `quantiles ${at.join(" ")} to ${accuracy}`,
    init: (): QuantileSketch => ({ n: 0, zeros: 0, positive: {}, negative: {} }),
    add: (sketch, value: T) => {
      const number = finite("quantiles", of(value));
      sketch.n++;
      if (number === 0) sketch.zeros++;
      else increase(number > 0 ? sketch.positive : sketch.negative, String(bucketOf(Math.abs(number))), 1);
      return sketch;
    },
    merge: (sketch, other) => {
      sketch.n += other.n;
      sketch.zeros += other.zeros;
      for (const [bucket, n] of Object.entries(other.positive)) increase(sketch.positive, bucket, n);
      for (const [bucket, n] of Object.entries(other.negative)) increase(sketch.negative, bucket, n);
      return sketch;
    },
    result: (sketch) => {
      const values = ascending(sketch, sizeOf);
      return at.map((quantile) => valueAt(values, Math.floor(quantile * (sketch.n - 1))));
    },
    copy: ({ n, zeros, positive, negative }) => ({ n, zeros, positive: { ...positive }, negative: { ...negative } }),
  });
}

function increase(buckets: Record<string, number>, bucket: string, by: number): void {
  buckets[bucket] = (buckets[bucket] ?? 0) + by;
}

/** The middles of the buckets that hold something, in rising order, with how many values each holds. */
function ascending(
  { zeros, positive, negative }: QuantileSketch,
  sizeOf: (bucket: number) => number,
): readonly (readonly [value: number, count: number])[] {
  const rising = (buckets: Record<string, number>) =>
    Object.entries(buckets)
      .map(([bucket, n]) => [Number(bucket), n] as const)
      .sort(([a], [b]) => a - b);
  return [
    ...rising(negative)
      .reverse()
      .map(([bucket, n]) => [-sizeOf(bucket), n] as const),
    ...(zeros > 0 ? [[0, zeros] as const] : []),
    ...rising(positive).map(([bucket, n]) => [sizeOf(bucket), n] as const),
  ];
}

/** The value of a rank, from 0. */
function valueAt(values: readonly (readonly [value: number, count: number])[], rank: number): number | null {
  let seen = 0;
  for (const [value, n] of values) {
    seen += n;
    if (seen > rank) return value;
  }
  return null;
}
