import { ConfigError } from "../core/errors.ts";
import { natureOf } from "../plan/column-type.ts";
import type { AggregateColumnPlan, ColumnPlan, IdempotentAggregate, TablePlan } from "../plan/table.ts";
import { checkName } from "./table.ts";

/** One column of an aggregate or a rollup, over columns of the source table named in `Name`. */
export interface AggregateColumn<out Name extends string, out Kind extends string = IdempotentAggregate> {
  readonly kind: "aggregateColumn";
  /** The aggregate, by ClickHouse's name. */
  readonly aggregate: Kind;
  /** The columns of the source that it reads. */
  readonly args: readonly Name[];
  /** A condition in SQL: it sees only rows that fulfil it. */
  readonly where: string | undefined;
}

/** Which rows an aggregate sees. */
export interface AggregateFilter {
  /** A condition in SQL over the source's columns: only rows that fulfil it are seen. @default all rows */
  readonly where?: string;
}

export const aggregateColumn = <const Name extends string, const Kind extends string>(
  aggregate: Kind,
  args: readonly Name[],
  filter?: AggregateFilter,
): AggregateColumn<Name, Kind> => ({ kind: "aggregateColumn", aggregate, args, where: filter?.where });

/** What is said of rows by their key: the part that aggregates and rollups have in common. */
export interface Grouping<Kind extends string> {
  readonly what: "aggregate" | "rollup";
  readonly name: string;
  readonly from: TablePlan;
  readonly groupBy: readonly string[];
  readonly columns: Readonly<Record<string, AggregateColumn<string, Kind>>>;
}

/** What a checked definition is made with: it finds columns of the source, and refuses what cannot work. */
export interface CheckedGrouping<Kind extends string> {
  readonly columns: readonly AggregateColumnPlan<Kind>[];
  readonly find: (column: string) => ColumnPlan;
  readonly refuse: (message: string, hint: string) => never;
}

/** @throws ConfigError `config.invalid` where the definition cannot work */
export function checkGrouping<Kind extends string>(grouping: Grouping<Kind>): CheckedGrouping<Kind> {
  const { what, name, from, groupBy } = grouping;
  checkName(what, name);
  const refuse = (message: string, hint: string): never => {
    throw new ConfigError("config.invalid", `The ${what} '${name}' ${message}`, { hint });
  };
  const find = (column: string) =>
    from.columns.find((plan) => plan.name === column) ??
    refuse(`names the column '${column}', which table '${from.name}' does not have`, "Name a column of the table it reads from.");

  for (const key of groupBy) {
    const { nullable, type } = find(key);
    if (nullable || natureOf(type) === "list") {
      refuse(`groups by '${key}', which may be null or an array`, "Give the column a default instead of making it nullable.");
    }
  }
  const columns = Object.entries(grouping.columns).map(([column, { aggregate, args, where }]): AggregateColumnPlan<Kind> => {
    checkName(`column of ${what} '${name}'`, column);
    if (groupBy.includes(column)) refuse(`has '${column}' both as a key and as a column`, "Rename the column.");
    for (const arg of args) {
      if (natureOf(find(arg).type) === "list")
        refuse(`aggregates '${arg}', which is an array`, "Aggregate columns of single values.");
    }
    return { name: column, aggregate, args, where };
  });
  if (columns.length === 0) refuse("has no columns", `Declare at least one column with ${what}s.min and the like.`);
  return { columns, find, refuse };
}
