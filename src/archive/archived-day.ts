import { ConfigError } from "../core/errors.ts";
import { checkDay, type TableDay } from "../plan/archive.ts";
import type { TablePlan } from "../plan/table.ts";
import type { ArchiveDeps } from "./port.ts";

/** The table of a day that is over. */
export async function checkedTable(
  { table, day }: TableDay,
  { archives, now }: Pick<ArchiveDeps, "archives" | "now">,
): Promise<TablePlan> {
  const plan = archivedTable(table, archives);
  checkDay(day, await now());
  return plan;
}

export function archivedTable(name: string, archives: readonly TablePlan[]): TablePlan {
  const found = archives.find((one) => one.name === name);
  if (found) return found;
  throw new ConfigError("usage", `there is no archive of a table '${name}'`, {
    hint:
      archives.length === 0
        ? "Name tables in `archives` of defineApp."
        : `There are archives of ${archives.map((one) => one.name).join(", ")}.`,
  });
}

/** The column that says in which day a row is. */
export const timeColumn = ({ partitionBy }: TablePlan): string => partitionBy?.column ?? "";
