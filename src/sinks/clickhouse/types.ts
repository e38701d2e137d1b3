import type { ColumnPlan } from "../../plan/table.ts";
import { typeName } from "./column-kinds.ts";

/** The type of a column in ClickHouse's own spelling, as `system.columns` shows it. */
export function columnType(column: ColumnPlan): string {
  const plain = plainType(column);
  return column.lowCardinality ? `LowCardinality(${plain})` : plain;
}

/** The type without its dictionary encoding: what goes over the wire. */
export function plainType(column: ColumnPlan): string {
  const base = typeName(column.type);
  return column.nullable ? `Nullable(${base})` : base;
}

/** Whether `wanted` is the enum `has` with more names at its end: the 128th makes an Enum16 of an Enum8. Also inside of Nullable. */
export function isLongerEnum(has: string, wanted: string): boolean {
  const shape = /^(Nullable\()?(Enum8|Enum16)\((.*?)\)+$/;
  const [before, after] = [shape.exec(has), shape.exec(wanted)];
  return (
    before !== null &&
    after !== null &&
    before[1] === after[1] &&
    (before[2] === after[2] || after[2] === "Enum16") &&
    (after[3] as string).startsWith(`${before[3]}, `)
  );
}
