import type { AggregatePlan, ColumnPlan, RollupPlan } from "../../plan/table.ts";
import { heldAs, typeName } from "./column-kinds.ts";
import { quoteName } from "./quote.ts";

type GroupingSource = Pick<AggregatePlan | RollupPlan, "name" | "from">;

/** A column of the source in a SELECT that reads `… AS source`. */
export const source = (name: string): string => `source.${quoteName(name)}`;

/** A name that is nobody's: an alias with the name of a source column would be what the conditions mean by that name. */
export const inner = (name: string): string => quoteName(`__headrace_${name}`);

/** An argument in rows that the column's condition lets through, NULL in others. */
export const where = (column: { readonly where: string | undefined }, argument: string): string =>
  column.where === undefined ? argument : `if((${column.where}), ${argument}, NULL)`;

/** The type of what is aggregated: nullable, so that rows can be passed over. */
export function argumentType(grouping: GroupingSource, name: string): string {
  const { type } = sourceColumn(grouping, name);
  return `Nullable(${typeName(heldAs(type))})`;
}

export function sourceColumn({ name, from }: GroupingSource, column: string): ColumnPlan {
  const found = from.columns.find((candidate) => candidate.name === column);
  if (found === undefined) throw new Error(`'${name}' was made without checking its column '${column}'`);
  return found;
}
