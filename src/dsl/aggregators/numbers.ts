import { type Aggregator, aggregator, itself } from "./aggregator.ts";
import { addExactly, type Exact, sumOf } from "./exact-sum.ts";

/**
 * How many values there are.
 *
 * @example
 * ```ts
 * pipeline("logins-a-minute")
 *   .from(logins)
 *   .keyBy((event) => event.key)
 *   .window(tumbling({ sizeMs: minutes(1) }))
 *   .aggregate({ logins: count() });
 * ```
 */
export const count = (): Aggregator<unknown, number> =>
  aggregator({
    does: "count",
    init: () => 0,
    add: (n: number) => n + 1,
    merge: (n, other) => n + other,
    result: itself,
    copy: itself,
  });

/**
 * The sum of a number of each value, rounded once at the end: the same in whatever order they come. 0 for no values.
 *
 * @example
 * ```ts
 * const cents = ({ cents }: { readonly cents: number }) => cents;
 * const totals = { turnover: sum(cents) };
 * ```
 */
export const sum = <T>(of: (value: T) => number): Aggregator<T, number> =>
  aggregator({
    does: "sum",
    init: (): Exact => [],
    add: (parts, value: T) => addExactly(parts, finite("sum", of(value))),
    merge: (parts, others) => others.reduce(addExactly, parts),
    result: sumOf,
    copy: (parts) => [...parts],
  });

/**
 * The arithmetic mean of a number of each value; null for no values.
 *
 * @example
 * ```ts
 * const cents = ({ cents }: { readonly cents: number }) => cents;
 * const totals = { average: mean(cents) };
 * ```
 */
export const mean = <T>(of: (value: T) => number): Aggregator<T, number | null> =>
  aggregator({
    does: "mean",
    init: (): { n: number; parts: Exact } => ({ n: 0, parts: [] }),
    add: ({ n, parts }, value: T) => ({ n: n + 1, parts: addExactly(parts, finite("mean", of(value))) }),
    merge: (one, other) => ({ n: one.n + other.n, parts: other.parts.reduce(addExactly, one.parts) }),
    result: ({ n, parts }) => (n === 0 ? null : sumOf(parts) / n),
    copy: ({ n, parts }) => ({ n, parts: [...parts] }),
  });

/**
 * The least of a number of each value; null for no values.
 *
 * @example
 * ```ts
 * const cents = ({ cents }: { readonly cents: number }) => cents;
 * const totals = { cheapest: min(cents) };
 * ```
 */
export const min = <T>(of: (value: T) => number): Aggregator<T, number | null> => extreme("min", of, Math.min);

/**
 * The greatest of a number of each value; null for no values.
 *
 * @example
 * ```ts
 * const cents = ({ cents }: { readonly cents: number }) => cents;
 * const totals = { dearest: max(cents) };
 * ```
 */
export const max = <T>(of: (value: T) => number): Aggregator<T, number | null> => extreme("max", of, Math.max);

function extreme<T>(
  does: "min" | "max",
  of: (value: T) => number,
  choose: (one: number, other: number) => number,
): Aggregator<T, number | null> {
  const either = (one: number | null, other: number | null) => (one === null ? other : other === null ? one : choose(one, other));
  return aggregator({
    does,
    init: (): number | null => null,
    add: (known, value: T) => either(known, finite(does, of(value))),
    merge: either,
    result: itself,
    copy: itself,
  });
}

/** What is kept is JSON, which knows neither NaN nor infinity: they would come back as null. */
export function finite(does: string, value: number): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new TypeError(`${does} takes finite numbers, and was given ${String(value)}`);
}
