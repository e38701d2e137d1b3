import { nth } from "../../core/nth.ts";
import type { Moment } from "../../plan/window.ts";
import { type Aggregator, aggregator, itself } from "./aggregator.ts";

type Counts = Record<string, number>;

/** An object without a prototype: values may be called `__proto__`. */
const noCounts = (): Counts => Object.create(null);
const copyCounts = (counts: Counts): Counts => Object.assign(noCounts(), counts);

/**
 * How many different texts or numbers there are, exactly. Every one of them is kept: for very many, `distinctApprox` keeps 4 kB.
 *
 * @example
 * ```ts
 * pipeline("users-a-minute")
 *   .from(logins)
 *   .keyBy((event) => event.key)
 *   .window(tumbling({ sizeMs: minutes(1) }))
 *   .aggregate({ users: distinct((event) => event.data.userId) });
 * ```
 */
export const distinct = <T>(of: (value: T) => string | number): Aggregator<T, number> =>
  aggregator({
    does: "distinct",
    init: noCounts,
    add: (seen, value: T) => set(seen, String(of(value)), 1),
    merge: (seen, others) => Object.keys(others).reduce((all, one) => set(all, one, 1), seen),
    result: (seen) => Object.keys(seen).length,
    copy: copyCounts,
  });

/** A text, and how often it came. */
export interface Ranked {
  /** The text. */
  readonly value: string;
  /** How often it came. */
  readonly count: number;
}

/**
 * The `k` texts that came most often, the most frequent first; of equals, the one that sorts first. Exact, so that every text is
 * kept with its count.
 *
 * @example
 * ```ts
 * pipeline("busiest-users")
 *   .from(logins)
 *   .keyBy((event) => event.key)
 *   .window(tumbling({ sizeMs: minutes(1) }))
 *   .aggregate({ users: topK(3, (event) => event.data.userId) });
 * ```
 */
export const topK = <T>(k: number, of: (value: T) => string | number): Aggregator<T, readonly Ranked[]> =>
  aggregator({
    does: `top-k ${k}`,
    init: noCounts,
    add: (counts, value: T) => {
      const text = String(of(value));
      return set(counts, text, (counts[text] ?? 0) + 1);
    },
    merge: (counts, others) => Object.entries(others).reduce((all, [text, n]) => set(all, text, (all[text] ?? 0) + n), counts),
    result: (counts) =>
      Object.entries(counts)
        .map(([value, count]) => ({ value, count }))
        .sort((a, b) => b.count - a.count || compare(a.value, b.value))
        .slice(0, k),
    copy: copyCounts,
  });

type Dated<Value> = readonly [time: number, id: string, value: Value];

/**
 * What `of` says of the earliest value, by event time; of one moment, that of the least event id. Null for no values.
 *
 * @example
 * ```ts
 * pipeline("first-logins")
 *   .from(logins)
 *   .keyBy((event) => event.key)
 *   .window(tumbling({ sizeMs: minutes(1) }))
 *   .aggregate({ type: first((event) => event.type) });
 * ```
 */
export const first = <T, Value>(of: (value: T) => Value): Aggregator<T, Value | null> => outermost("first", of, isEarlier);

/**
 * What `of` says of the latest value, by event time; of one moment, that of the greatest event id. Null for no values.
 *
 * @example
 * ```ts
 * pipeline("last-logins")
 *   .from(logins)
 *   .keyBy((event) => event.key)
 *   .window(tumbling({ sizeMs: minutes(1) }))
 *   .aggregate({ type: last((event) => event.type) });
 * ```
 */
export const last = <T, Value>(of: (value: T) => Value): Aggregator<T, Value | null> =>
  outermost("last", of, (one, other) => isEarlier(other, one));

function outermost<T, Value>(
  does: string,
  of: (value: T) => Value,
  wins: (one: Dated<Value>, other: Dated<Value>) => boolean,
): Aggregator<T, Value | null> {
  const choose = (one: Dated<Value> | null, other: Dated<Value> | null) =>
    one === null || (other !== null && wins(other, one)) ? other : one;
  return aggregator({
    does,
    init: (): Dated<Value> | null => null,
    add: (known, value: T, moment) => choose(known, dated(of(value), moment)),
    merge: choose,
    result: (known) => known?.[2] ?? null,
    copy: itself,
  });
}

/**
 * What `of` says of each of the earliest `limit` values, in the order of their event times.
 *
 * @example
 * ```ts
 * pipeline("login-types")
 *   .from(logins)
 *   .keyBy((event) => event.key)
 *   .window(tumbling({ sizeMs: minutes(1) }))
 *   .aggregate({ types: collect(10, (event) => event.type) });
 * ```
 */
export const collect = <T, Value>(limit: number, of: (value: T) => Value): Aggregator<T, readonly Value[]> =>
  aggregator({
    does: `collect ${limit}`,
    init: (): Dated<Value>[] => [],
    add: (kept, value: T, moment) => insert(kept, dated(of(value), moment), limit),
    merge: (kept, others) => others.reduce((all, one) => insert(all, one, limit), kept),
    result: (kept) => kept.map(([, , value]) => value),
    copy: (kept) => [...kept],
  });

function insert<Value>(kept: Dated<Value>[], one: Dated<Value>, limit: number): Dated<Value>[] {
  let at = kept.length;
  while (at > 0 && isEarlier(one, nth(kept, at - 1))) at--;
  if (at < limit) kept.splice(at, 0, one);
  if (kept.length > limit) kept.pop();
  return kept;
}

const dated = <Value>(value: Value, { time, id }: Moment): Dated<Value> => [time, id, value];

const isEarlier = ([time, id]: Dated<unknown>, [otherTime, otherId]: Dated<unknown>): boolean =>
  time === otherTime ? compare(id, otherId) < 0 : time < otherTime;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function set(counts: Counts, text: string, n: number): Counts {
  counts[text] = n;
  return counts;
}
