import { applyMigration, planMigration } from "../sinks/clickhouse/migrate.ts";
import { loadApp } from "./load-app.ts";
import { exitCodes, printJson, printLine, say } from "./output.ts";
import { openClickHouse, type Whereabouts } from "./services.ts";

/** `headrace migrate`: what ClickHouse lacks of the application's tables and views; with `--apply`, makes it so. */
export async function migrateVerb({
  apply,
  json,
  ...where
}: Whereabouts & { readonly apply: boolean; readonly json: boolean }): Promise<number> {
  const app = await loadApp(where.cwd);
  const clickhouse = await openClickHouse(where);
  try {
    const steps = await planMigration(app.tables, clickhouse);
    const refused = steps.filter((step) => step.kind === "refused");
    for (const step of steps) {
      if (json) printJson(step);
      else printLine(`${step.kind === "refused" ? "refused" : step.kind.padEnd(7)}  ${step.summary}`);
      if (step.kind === "refused") say(`         ${step.hint}`);
    }
    if (steps.length === 0) say("Nothing to do: ClickHouse has all tables and views.");
    if (refused.length > 0) {
      say(`${refused.length} of ${steps.length} steps would lose data: nothing was applied.`);
      return exitCodes.findings;
    }
    if (apply) await applyMigration(steps, clickhouse);
    else if (steps.length > 0) say("This is the plan. 'headrace migrate --apply' carries it out.");
    if (apply && steps.length > 0) say(`${steps.length} steps applied.`);
    return exitCodes.fine;
  } finally {
    await clickhouse.close();
  }
}
