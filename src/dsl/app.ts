import { ConfigError } from "../core/errors.ts";
import { archivesTable, checkArchived } from "../plan/archive.ts";
import type { AppPlan, StreamPlan } from "../plan/plan.ts";
import { sinksOf } from "../plan/plan.ts";
import type { SchedulePlan } from "../plan/schedule.ts";
import type { TableObjectPlan } from "../plan/table.ts";
import type { Format } from "./format.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Schedule } from "./schedule.ts";
import type { Stream } from "./stream.ts";
import type { Table } from "./table.ts";

/** An application: what `pipelines/index.ts` exports as `app`. */
export interface App {
  /** The application as data. */
  readonly plan: AppPlan;
}

/** What an application is made of. */
export interface AppOptions {
  /** What `headrace start` runs. An application of workflows alone has none: `[]`. */
  readonly pipelines: readonly Pipeline[];
  /** Streams that no pipeline reads or writes, such as one that only sagas announce on. @default none */
  readonly streams?: readonly Stream<unknown>[];
  /** Aggregates and views beside the tables that pipelines write, in the order in which they can be created. @default none */
  readonly tables?: readonly { readonly plan: TableObjectPlan }[];
  /** Line formats that `headrace send --from <name>` reads. @default none */
  readonly formats?: readonly Format[];
  /** Workflows that Temporal starts again and again. @default none */
  readonly schedules?: readonly Schedule[];
  /** Tables whose days can be archived and restored: cut by day, and of rows that count once. @default none */
  readonly archives?: readonly Table<never>[];
}

/**
 * Puts an application together. The streams and tables that its pipelines use are found by themselves.
 *
 * @throws ConfigError when two different definitions carry one name
 * @example
 * ```ts
 * export const app = defineApp({ pipelines: [loginAnalytics] });
 * ```
 */
export function defineApp(options: AppOptions): App {
  const pipelines = options.pipelines.map((pipeline) => pipeline.plan);
  const streams = new Map<string, StreamPlan>();
  const tables = new Map<string, TableObjectPlan>();
  const add = <Plan extends { readonly name: string }>(all: Map<string, Plan>, plan: Plan, what: string) => {
    const other = all.get(plan.name);
    if (other && other !== plan) {
      throw new ConfigError("config.invalid", `two different ${what} are called '${plan.name}'`, {
        hint: "Rename one of them, or share one definition.",
      });
    }
    all.set(plan.name, plan);
  };
  for (const pipeline of pipelines) {
    for (const stream of pipeline.sources) add(streams, stream, "streams");
    for (const sink of Object.values(sinksOf(pipeline))) {
      if (sink.kind === "stream") add(streams, sink.stream, "streams");
      if (sink.kind === "clickhouse") add(tables, sink.table, "tables");
    }
  }
  for (const stream of options.streams ?? []) add(streams, stream.plan, "streams");
  for (const table of options.tables ?? []) add(tables, table.plan, "tables");
  const archives = (options.archives ?? []).map(({ plan }) => plan);
  for (const table of archives) {
    checkArchived(table);
    add(tables, table, "tables");
  }
  if (archives.length > 0) add(tables, archivesTable, "tables");
  const schedules = new Map<string, SchedulePlan>();
  for (const schedule of options.schedules ?? []) add(schedules, schedule.plan, "schedules");
  return {
    plan: {
      kind: "app",
      pipelines,
      streams: [...streams.values()],
      tables: [...tables.values()],
      formats: (options.formats ?? []).map((format) => format.plan),
      schedules: [...schedules.values()],
      archives,
    },
  };
}
