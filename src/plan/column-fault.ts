import { valueFault } from "./column-type.ts";
import type { ColumnPlan } from "./table.ts";

/**
 * Why a value does not fit a column, or `undefined` where it does. The reason names the rule and never the value:
 * reasons are counted by their text, and values may be personal data.
 */
export function columnFault(column: ColumnPlan, value: unknown): string | undefined {
  if (value === undefined) {
    return column.fallback !== undefined || column.nullable ? undefined : "is missing";
  }
  if (value === null) return column.nullable ? undefined : "is null, and the column is not nullable";
  return valueFault(column.type, value);
}
