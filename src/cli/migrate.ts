import { messageOf } from "../core/errors.ts";
import { type SearchAttributes, sagaSearchAttributes } from "../core/search-attributes.ts";
import { type AppPlan, searchAttributesOf, workflowSinksOf } from "../plan/plan.ts";
import { applyMigration, planMigration } from "../sinks/clickhouse/migrate.ts";
import { applySchedules, planSchedules } from "../sinks/temporal/schedules.ts";
import { addAttributes, missingAttributes } from "../sinks/temporal/search-attributes.ts";
import { loadApp } from "./load-app.ts";
import { exitCodes, printJson, printLine, say } from "./output.ts";
import { openClickHouse, openTemporal, type ServiceLocation } from "./services.ts";

interface MigrateOptions extends ServiceLocation {
  readonly apply: boolean;
  readonly json: boolean;
}

/** A line of the plan. */
interface MigrateStep {
  readonly kind: string;
  readonly object: string;
  readonly summary: string;
  readonly hint?: string;
}

/** `headrace migrate`: what ClickHouse and Temporal lack for the application; with `--apply`, makes it so. */
export async function migrateVerb(options: MigrateOptions): Promise<number> {
  const app = await loadApp(options.cwd);
  const tables = await migrateTables(app, options);
  if (tables.isRefused) return exitCodes.findings;
  const ofTemporal = startsWorkflows(app) ? await migrateTemporal(app, options) : 0;
  const steps = tables.steps + ofTemporal;
  if (steps === 0) say("Nothing to do: ClickHouse has all tables and views.");
  else if (options.apply) say(steps === 1 ? "1 step applied." : `${steps} steps applied.`);
  else say("This is the plan. 'headrace migrate --apply' carries it out.");
  return exitCodes.fine;
}

async function migrateTables(app: AppPlan, { apply, json, ...where }: MigrateOptions) {
  const clickhouse = await openClickHouse(where);
  try {
    const steps = await planMigration(app.tables, clickhouse);
    for (const step of steps) print(step, json);
    const refused = steps.filter((step) => step.kind === "refused");
    if (refused.length > 0) say(`${refused.length} of ${steps.length} steps would lose data: nothing was applied.`);
    else if (apply) await applyMigration(steps, clickhouse);
    return { isRefused: refused.length > 0, steps: steps.length };
  } finally {
    await clickhouse.close();
  }
}

/** How many steps there were. Tables are made also while Temporal is away; saga workers say what they lack. */
async function migrateTemporal(app: AppPlan, { apply, json, ...where }: MigrateOptions): Promise<number> {
  const temporal = await openTemporal(where).catch((error: unknown) => {
    say(`Sagas were not looked at: ${messageOf(error)}. Run this again before you start a saga worker.`);
  });
  if (!temporal) return 0;
  const { connection, client } = temporal;
  try {
    const { namespace } = client.options;
    const wanted = await missingAttributes(connection, { namespace, wanted: wantedAttributes(app) });
    for (const [name, type] of Object.entries(wanted)) {
      const summary = `make the search attribute ${name} (${type}) in Temporal's namespace '${namespace}'`;
      print({ kind: "create", object: `search attribute ${name}`, summary }, json);
    }
    const schedules = await planSchedules(client, app.schedules);
    for (const { plan: _, ...step } of schedules) print(step, json);
    if (apply) {
      await addAttributes(connection, { namespace, wanted });
      await applySchedules(client, schedules);
    }
    return Object.keys(wanted).length + schedules.length;
  } finally {
    await connection.close();
  }
}

const wantedAttributes = ({ pipelines }: AppPlan): SearchAttributes => ({
  ...Object.fromEntries(searchAttributesOf(pipelines).map(({ name, type }) => [name, type])),
  ...sagaSearchAttributes,
});

function print(step: MigrateStep, json: boolean): void {
  if (json) printJson(step);
  else printLine(`${step.kind === "refused" ? "refused" : step.kind.padEnd(7)}  ${step.summary}`);
  if (step.kind === "refused") say(`         ${step.hint}`);
}

const startsWorkflows = ({ pipelines, schedules }: AppPlan): boolean =>
  schedules.length > 0 || workflowSinksOf(pipelines).length > 0;
