import { ConfigError } from "../core/errors.ts";
import type { AggregatePlan } from "../plan/table.ts";
import { type AggregateColumn, type AggregateFilter, checkGrouping, aggregateColumn as make } from "./grouping.ts";
import type { TypeHint } from "./hints.ts";
import type { Table } from "./table.ts";

/** States kept per key, as rows arrive. People read them by the name of the aggregate, one row a key. */
export interface Aggregate {
  readonly kind: "aggregate";
  /** The aggregate as data. */
  readonly plan: AggregatePlan;
}

/** The type is what the compiler prints; the function is for those who do not type-check. */
const refused = <Hint>(what: string): Hint =>
  (() => {
    throw new ConfigError("config.invalid", `A materialised view sees repeated rows: ${what} would be too high`, {
      hint: "Define a rollup, or write it over the table with FINAL in a defineView.",
    });
  }) as unknown as Hint;

/**
 * The aggregates that a repeated row does not change. Rows where an argument is null are not seen;
 * where no row is left, the result is null, 0 for the counts and an empty array for `groupUniqArray`.
 *
 * @example
 * ```ts
 * const lastSeen = defineAggregate("last_seen", {
 *   from: loginEvents,
 *   groupBy: ["user_id"],
 *   columns: { at: aggregates.max("at"), ip: aggregates.argMax("ip", "at") },
 * });
 * ```
 */
export const aggregates = {
  min: <const Name extends string>(column: Name, filter?: AggregateFilter) => make("min", [column], filter),
  max: <const Name extends string>(column: Name, filter?: AggregateFilter) => make("max", [column], filter),
  /** Some value of the column: for columns that have only one per key. */
  any: <const Name extends string>(column: Name, filter?: AggregateFilter) => make("any", [column], filter),
  /** The value of `column` in the row where `by` is least. Among equals it is any of them: `by` should differ within a key. */
  argMin: <const Name extends string>(column: Name, by: Name, filter?: AggregateFilter) => make("argMin", [column, by], filter),
  /** The value of `column` in the row where `by` is greatest. Among equals it is any of them: `by` should differ within a key. */
  argMax: <const Name extends string>(column: Name, by: Name, filter?: AggregateFilter) => make("argMax", [column, by], filter),
  /** The number of different values, exact; about 20 bytes a value. */
  uniqExact: <const Name extends string>(column: Name, filter?: AggregateFilter) => make("uniqExact", [column], filter),
  /** The number of different values to about 0.5 %, in bounded space. */
  uniqCombined64: <const Name extends string>(column: Name, filter?: AggregateFilter) => make("uniqCombined64", [column], filter),
  /** The different values, in no order. */
  groupUniqArray: <const Name extends string>(column: Name, filter?: AggregateFilter) => make("groupUniqArray", [column], filter),
  sum: refused<TypeHint<"A materialised view sees repeated rows: a sum would be too high. Sum in a defineRollup.">>("a sum"),
  count:
    refused<TypeHint<"A materialised view sees repeated rows: a count would be too high. Count in a defineRollup.">>("a count"),
  avg: refused<TypeHint<"A materialised view sees repeated rows: an average would be wrong. Average in a defineRollup.">>(
    "an average",
  ),
} as const;

/** What an aggregate keeps, and of which rows. */
export interface AggregateOptions<Row> {
  /** The table whose rows it sees. */
  readonly from: Table<Row>;
  /** A condition in SQL over the source's columns: only rows that fulfil it are seen. @default all rows */
  readonly where?: string;
  /** The key: columns of the source. */
  readonly groupBy: readonly NoInfer<keyof Row & string>[];
  /** What is kept per key, by the names of its columns: `aggregates.min("at")` and the like. */
  readonly columns: Readonly<Record<string, AggregateColumn<NoInfer<keyof Row & string>>>>;
}

/**
 * Defines an aggregate: what is kept per key of a table's rows, brought up to date with every insert and exact under repeats.
 *
 * @throws ConfigError `config.invalid` where the definition cannot work.
 * @example
 * const sessions = defineAggregate("session_times", {
 *   from: loginEvents,
 *   where: "session_id != ''",
 *   groupBy: ["user_id", "session_id"],
 *   columns: { started_at: aggregates.min("at"), ended_at: aggregates.max("at", { where: "outcome = 'ended'" }) },
 * });
 */
export function defineAggregate<Row>(name: string, { from, where, groupBy, columns }: AggregateOptions<Row>): Aggregate {
  const checked = checkGrouping({ what: "aggregate", name, from: from.plan, groupBy, columns });
  if (groupBy.length === 0) checked.refuse("has an empty groupBy", "Name the columns that make the key.");
  return {
    kind: "aggregate",
    plan: { kind: "aggregate", name, from: from.plan, where, groupBy: [...groupBy], columns: checked.columns },
  };
}
