import { ConfigError } from "../core/errors.ts";
import { isTime, natureOf } from "../plan/column-type.ts";
import type { RollupAggregate, RollupPlan } from "../plan/table.ts";
import { aggregates } from "./aggregate.ts";
import { type AggregateColumn, type AggregateFilter, checkGrouping, aggregateColumn as make } from "./grouping.ts";
import type { Table } from "./table.ts";

/** Exact numbers by bucket of time. People read them by the name of the rollup, one row a bucket and key. */
export interface Rollup {
  readonly kind: "rollup";
  /** The rollup as data. */
  readonly plan: RollupPlan;
}

/**
 * What a rollup can count. Rows where the argument is null are not seen; where no row is left, the result is null, and 0 for
 * `count`, `sum` and `uniqExact`.
 *
 * @throws ConfigError `config.invalid` by `quantile`, where the level is not from 0 to 1
 * @example
 * ```ts
 * const logins = defineRollup("logins_by_hour", {
 *   from: loginEvents,
 *   time: "at",
 *   every: "hour",
 *   columns: { logins: rollups.count(), users: rollups.uniqExact("user_id") },
 * });
 * ```
 */
export const rollups = {
  /** How many rows. */
  count: (filter?: AggregateFilter) => make("count", [], filter),
  /** The sum of a column of numbers, in 64 bits. */
  sum: <const Name extends string>(column: Name, filter?: AggregateFilter) => make("sum", [column], filter),
  /** The mean of a column of numbers. */
  avg: <const Name extends string>(column: Name, filter?: AggregateFilter) => make("avg", [column], filter),
  min: aggregates.min,
  max: aggregates.max,
  /** The number of different values, exact. */
  uniqExact: aggregates.uniqExact,
  /** An exact quantile of a column of numbers or times, such as 0.5 for the median: of n sorted values the one at `level` × n, rounded down. */
  quantile: <const Name extends string>(column: Name, level: number, filter?: AggregateFilter) => {
    if (level >= 0 && level <= 1) return make(`quantileExact(${level})`, [column], filter);
    throw new ConfigError("config.invalid", `rollups.quantile('${column}', ${level}): the level is not from 0 to 1`, {
      hint: "Use a number from 0 to 1, such as 0.95.",
    });
  },
} as const;

/** What a rollup counts, and of which rows. */
export interface RollupOptions<Row> {
  /** The table whose rows it counts. */
  readonly from: Table<Row>;
  /** The column of the time that says in which bucket a row is: one of the table's `orderBy`. Rows outside of 1970 to 2105 are not seen. */
  // Spelled out: by a name, the compiler would print the name instead of the columns.
  readonly time: NoInfer<
    { [K in keyof Row & string]-?: [Exclude<Row[K], undefined>] extends [Date] ? K : never }[keyof Row & string]
  >;
  /** How long a bucket is, by UTC; a view adds up the days of a zone. The column that holds its start has this name. */
  readonly every: "minute" | "hour" | "day";
  /** A condition in SQL over the source's columns: only rows that fulfil it are seen. @default all rows */
  readonly where?: string;
  /** What is counted apart within a bucket: columns of the source. @default nothing: one row a bucket */
  readonly groupBy?: readonly NoInfer<keyof Row & string>[];
  /** What is counted, by the names of its columns: `rollups.count()` and the like. */
  readonly columns: Readonly<Record<string, AggregateColumn<NoInfer<keyof Row & string>, RollupAggregate>>>;
}

/**
 * Defines a rollup: exact counts and sums of a table's rows by minute, hour or day, ready to be read. Whenever rows of a bucket came,
 * late or twice or not, a worker counts the whole bucket again a second later.
 *
 * @throws ConfigError `config.invalid` where the definition cannot work.
 * @example
 * const loginsByCountry = defineRollup("logins_by_country", {
 *   from: loginEvents,
 *   time: "at",
 *   every: "hour",
 *   groupBy: ["country"],
 *   columns: { logins: rollups.count({ where: "outcome = 'success'" }), users: rollups.uniqExact("user_id") },
 * });
 */
export function defineRollup<Row>(name: string, options: RollupOptions<Row>): Rollup {
  const { time, every, where, groupBy = [] } = options;
  const from = options.from.plan;
  const { columns, find, refuse } = checkGrouping({ what: "rollup", name, from, groupBy, columns: options.columns });

  if (!["minute", "hour", "day"].includes(every)) refuse(`has buckets of '${every}'`, "Use minute, hour or day.");
  const { type, nullable } = find(time);
  if (nullable || natureOf(type) !== "moment")
    refuse(
      `takes its time from '${time}', which holds no moments, or may be null`,
      "Name a dateTime or dateTime64 column that is not nullable.",
    );
  if (from.engine.kind === "mergeTree")
    refuse(`reads '${from.name}', which keeps repeated rows`, "Make the table a replacingMergeTree, which counts a row once.");
  if (!from.orderBy.includes(time)) {
    refuse(
      `takes its time from '${time}', which is not in the orderBy of '${from.name}'`,
      "Add it there: a row that came again with another time would be counted in two buckets.",
    );
  }
  if (from.ttl && from.ttl.column !== time) {
    refuse(
      `takes its time from '${time}', and rows of '${from.name}' are deleted by '${from.ttl.column}'`,
      "Use the column of the ttl: a bucket that has lost some of its rows can no longer be counted.",
    );
  }
  for (const own of [every, "version", "is_deleted"]) {
    if (groupBy.some((key) => key === own) || columns.some((column) => column.name === own))
      refuse(`has a column '${own}', which every rollup has`, "Rename the column.");
  }
  for (const { aggregate, args } of columns) {
    const of = args[0] === undefined ? undefined : find(args[0]).type;
    const isNumber = of !== undefined && natureOf(of) === "number";
    if ((aggregate === "sum" || aggregate === "avg") && !isNumber)
      refuse(`has the ${aggregate} of '${args[0]}', which is no number`, "Name a column of numbers.");
    if (aggregate.startsWith("quantile") && !isNumber && !(of && isTime(of)))
      refuse(`has a quantile of '${args[0]}', which is no number`, "Name a column of numbers or times.");
  }
  return { kind: "rollup", plan: { kind: "rollup", name, from, time, every, where, groupBy: [...groupBy], columns } };
}
