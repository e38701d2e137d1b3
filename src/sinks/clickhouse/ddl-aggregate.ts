import type { AggregateColumnPlan, AggregatePlan, IdempotentAggregate } from "../../plan/table.ts";
import { digest, type WantedView } from "./ddl.ts";
import { argumentType, inner, source, sourceColumn, where } from "./ddl-grouping.ts";
import { quoteName, quoteText } from "./quote.ts";
import { columnType } from "./types.ts";

/**
 * An aggregate is three objects: a table of states, a materialised view that feeds it with every insert into the source, and a view
 * under the aggregate's own name that merges the states, which is what people read.
 *
 * Arguments are made nullable. So the state of a column that is added later, or that no row fulfils the condition of, is
 * "nothing seen yet"; without it, a min over dates would be 1970 for every older key.
 */
export const statesName = (aggregate: AggregatePlan): string => `${aggregate.name}__states`;
export const feedName = (aggregate: AggregatePlan): string => `${aggregate.name}__feed`;

export interface StateColumn {
  readonly name: string;
  /** In ClickHouse's own spelling, as `system.columns` shows it. */
  readonly type: string;
  /** Its definition; the column's COMMENT, by which a change of meaning is found. Empty for a key. */
  readonly comment: string;
}

/** The columns of the table of states: the keys, then the states. */
export function stateColumns(aggregate: AggregatePlan): readonly StateColumn[] {
  const keys = aggregate.groupBy.map(
    (name): StateColumn => ({ name, type: columnType(sourceColumn(aggregate, name)), comment: "" }),
  );
  const states = aggregate.columns.map(
    (column): StateColumn => ({ name: column.name, type: stateType(aggregate, column), comment: meaning(column) }),
  );
  return [...keys, ...states];
}

export function createStates(aggregate: AggregatePlan): string {
  const lines = stateColumns(aggregate).map((column) => `  ${stateDefinition(column)}`);
  return [
    `CREATE TABLE IF NOT EXISTS ${quoteName(statesName(aggregate))} (\n${lines.join(",\n")}\n)`,
    "ENGINE = AggregatingMergeTree",
    `ORDER BY (${aggregate.groupBy.map(quoteName).join(", ")})`,
    "SETTINGS non_replicated_deduplication_window = 0",
    `COMMENT ${quoteText(statesComment(aggregate))}`,
  ].join("\n");
}

export function stateDefinition({ name, type, comment }: StateColumn): string {
  return `${quoteName(name)} ${type}${comment === "" ? "" : ` COMMENT ${quoteText(comment)}`}`;
}

/** What the states are states of; a change of it makes another aggregate. */
export const statesComment = ({ from, where }: AggregatePlan): string =>
  `headrace states of ${from.name}${where === undefined ? "" : ` where ${where}`}`;

export function createFeed(aggregate: AggregatePlan): string {
  const [feed, states] = [quoteName(feedName(aggregate)), quoteName(statesName(aggregate))];
  return `CREATE MATERIALIZED VIEW IF NOT EXISTS ${feed} TO ${states}\nAS ${feedSelect(aggregate)}\nCOMMENT ${quoteText(feedComment(aggregate))}`;
}

/** Says whether the feed there is the one that is wanted. The types count: a feed keeps those it was made with. */
export const feedComment = (aggregate: AggregatePlan): string =>
  `headrace feed ${digest(feedSelect(aggregate) + typesOf(aggregate))}`;

const typesOf = (aggregate: AggregatePlan): string =>
  stateColumns(aggregate)
    .map((column) => column.type)
    .join();

/** The states of the source's rows; `condition` narrows them down further. */
export function feedSelect(aggregate: AggregatePlan, condition?: string): string {
  const keys = aggregate.groupBy.map((name) => `${source(name)} AS ${inner(name)}`);
  const states = aggregate.columns.map((column) => {
    const args = column.args.map((name, index) => {
      const arg = `CAST(${source(name)}, ${quoteText(argumentType(aggregate, name))})`;
      return index === 0 ? where(column, arg) : arg;
    });
    return `${column.aggregate}${isSimple(column.aggregate) ? "" : "State"}(${args.join(", ")}) AS ${inner(column.name)}`;
  });
  const names = [...aggregate.groupBy, ...aggregate.columns.map((column) => column.name)];
  const conditions = [aggregate.where, condition].filter((text) => text !== undefined).map((text) => `(${text})`);
  return [
    `SELECT ${names.map((name) => `${inner(name)} AS ${quoteName(name)}`).join(", ")}`,
    `FROM (SELECT ${[...keys, ...states].join(", ")}`,
    `FROM ${quoteName(aggregate.from.name)} AS source`,
    ...(conditions.length > 0 ? [`WHERE ${conditions.join(" AND ")}`] : []),
    `GROUP BY ${aggregate.groupBy.map(source).join(", ")})`,
  ].join("\n");
}

/** Fills the states from the rows that one partition of the source holds. States only grow by it: it may run any number of times. */
export function backfill(aggregate: AggregatePlan, partitionId: string): string {
  const names = stateColumns(aggregate).map((column) => quoteName(column.name));
  return `INSERT INTO ${quoteName(statesName(aggregate))} (${names.join(", ")})\n${feedSelect(aggregate, `source._partition_id = ${quoteText(partitionId)}`)}`;
}

/** The view that people read: one row a key. */
export function mergedView(aggregate: AggregatePlan): WantedView {
  const states = (name: string) => `states.${quoteName(name)}`;
  const columns = aggregate.columns.map((column) => {
    const merged = isSimple(column.aggregate)
      ? `${column.aggregate}(${states(column.name)})`
      : `${column.aggregate}Merge(${states(column.name)})`;
    return `${column.aggregate === "uniqCombined64" ? `ifNull(${merged}, 0)` : merged} AS ${quoteName(column.name)}`;
  });
  const sql = [
    `SELECT ${[...aggregate.groupBy.map((name) => `${states(name)} AS ${quoteName(name)}`), ...columns].join(", ")}`,
    `FROM ${quoteName(statesName(aggregate))} AS states`,
    `GROUP BY ${aggregate.groupBy.map(states).join(", ")}`,
  ].join("\n");
  return { kind: "view", name: aggregate.name, sql, basis: typesOf(aggregate) };
}

function stateType(aggregate: AggregatePlan, column: AggregateColumnPlan): string {
  const types = column.args.map((name) => argumentType(aggregate, name));
  return `${isSimple(column.aggregate) ? "SimpleAggregateFunction" : "AggregateFunction"}(${[column.aggregate, ...types].join(", ")})`;
}

const meaning = ({ aggregate, args, where }: AggregateColumnPlan): string =>
  `${aggregate}(${args.join(", ")})${where === undefined ? "" : ` where ${where}`}`;

/** These are their own state: one value, which ClickHouse keeps as it is. */
const isSimple = (aggregate: IdempotentAggregate): boolean => aggregate === "min" || aggregate === "max" || aggregate === "any";
