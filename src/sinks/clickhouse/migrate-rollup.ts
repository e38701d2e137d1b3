import type { RollupPlan } from "../../plan/table.ts";
import type { Catalog } from "./catalog.ts";
import { rollupView, rowsTable } from "./ddl-rollup.ts";
import { planTable, planView } from "./migrate-table.ts";
import type { MigrationStep } from "./migration-step.ts";

/**
 * What a rollup needs: its rows, all buckets counted, and last the view that people read, which knows the definition. So as long as the
 * view is not up to date, all is counted again; and what is counted in another way is a new row in the place of the old one.
 */
export function planRollup(rollup: RollupPlan, catalog: Catalog): readonly MigrationStep[] {
  const rows = rowsTable(rollup);
  const view = planView(rollupView(rollup), catalog);
  const summary = `count the buckets of ${rollup.name} from the rows of ${rollup.from.name}`;
  const fill: readonly MigrationStep[] = view.length > 0 ? [{ kind: "recount", object: rows.name, summary, rollup }] : [];
  return [...planTable(rows, catalog), ...fill, ...view];
}
