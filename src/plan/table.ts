import type { ColumnType } from "./column-type.ts";

/** A column of a table. */
export interface ColumnPlan {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly lowCardinality: boolean;
  /** The value of a row that leaves the column out; `undefined` where a row may not. */
  readonly fallback: unknown;
  /** A compression codec in ClickHouse's own words, such as `ZSTD(1)`. */
  readonly codec: string | undefined;
}

/** How ClickHouse keeps the rows. */
export type EnginePlan =
  /** The last row of a sorting key wins; `version` names the column that says which is last, `deleted` the one that says that it is none. */
  | {
      readonly kind: "replacingMergeTree";
      readonly version: string | undefined;
      readonly deleted?: string;
      /** All rows of a sorting key are the same, as whoever defined it says. */
      readonly unchanging?: true;
    }
  | { readonly kind: "mergeTree" };

/** What a table is cut by: the UTC day or month of a column. */
export interface PartitionByPlan {
  readonly unit: "day" | "month";
  readonly column: string;
}

/** When rows are deleted: so many days after the time in a column. */
export interface TtlPlan {
  readonly column: string;
  readonly days: number;
}

/** A table that pipelines write. The columns are the one source of its row type, its DDL and its encoder. */
export interface TablePlan {
  readonly kind: "table";
  readonly name: string;
  readonly columns: readonly ColumnPlan[];
  readonly engine: EnginePlan;
  readonly orderBy: readonly string[];
  readonly partitionBy: PartitionByPlan | undefined;
  readonly ttl: TtlPlan | undefined;
}

/**
 * The aggregates that change nothing when a row comes twice. `sum`, `count` and `avg` are not among them, and must not be:
 * a materialised view sees each insert, and so each repeat.
 */
export const idempotentAggregates = [
  "min",
  "max",
  "any",
  "argMin",
  "argMax",
  "uniqExact",
  "uniqCombined64",
  "groupUniqArray",
] as const;
/** One of the aggregates that change nothing when a row comes twice. */
export type IdempotentAggregate = (typeof idempotentAggregates)[number];

/** The aggregates of whole buckets, which are counted from rows that are there once: any will do. In ClickHouse's own words. */
export type RollupAggregate = "count" | "sum" | "avg" | "min" | "max" | "uniqExact" | `quantileExact(${number})`;

/** A column of an aggregate or a rollup. */
export interface AggregateColumnPlan<Kind extends string = IdempotentAggregate> {
  readonly name: string;
  readonly aggregate: Kind;
  /** Columns of the source table. */
  readonly args: readonly string[];
  /** A condition in SQL over the source's columns; the aggregate sees only rows that fulfil it. */
  readonly where: string | undefined;
}

/** States kept per key by a materialised view over `from`; read through a view that merges them. */
export interface AggregatePlan {
  readonly kind: "aggregate";
  readonly name: string;
  readonly from: TablePlan;
  readonly where: string | undefined;
  readonly groupBy: readonly string[];
  readonly columns: readonly AggregateColumnPlan[];
}

/** What is counted for each bucket of time from the rows of `from`, and counted again whenever rows of the bucket came. */
export interface RollupPlan {
  readonly kind: "rollup";
  readonly name: string;
  readonly from: TablePlan;
  /** The column that says in which bucket a row is; part of what makes a row of `from` the same. */
  readonly time: string;
  /** Buckets begin with each of these in UTC. It is also the name of the column that holds a bucket's start. */
  readonly every: "minute" | "hour" | "day";
  readonly where: string | undefined;
  readonly groupBy: readonly string[];
  readonly columns: readonly AggregateColumnPlan<RollupAggregate>[];
}

/** A plain view: a stored SELECT, in SQL, for people. */
export interface ViewPlan {
  readonly kind: "view";
  readonly name: string;
  readonly sql: string;
}

/** Whatever `headrace migrate` makes in ClickHouse. */
export type TableObjectPlan = TablePlan | AggregatePlan | RollupPlan | ViewPlan;
