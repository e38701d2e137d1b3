import { systemClock } from "../core/clock.ts";
import { ConfigError } from "../core/errors.ts";
import type { AppPlan } from "../plan/plan.ts";
import { rollupsOf } from "../plan/rollup.ts";
import type { RollupPlan } from "../plan/table.ts";
import { refreshRollup } from "../rollup/refresh.ts";
import { createRollupStore } from "../sinks/clickhouse/rollup-rows.ts";
import { loadApp } from "./load-app.ts";
import { createLogger } from "./logger.ts";
import { exitCodes, printJson, printLine, say } from "./output.ts";
import { openClickHouse, openMarks, type ServiceLocation } from "./services.ts";

export interface RollupVerbOptions extends ServiceLocation {
  readonly rebuild: boolean;
  readonly json: boolean;
}

/** `headrace rollup`: counts what is dirty now, as workers do it all the time; with `--rebuild`, everything. One line a rollup. */
export async function rollupVerb(name: string | undefined, { rebuild, json, ...where }: RollupVerbOptions): Promise<number> {
  const rollups = pick(await loadApp(where.cwd), name);
  const marks = await openMarks(where, createLogger());
  try {
    const clickhouse = await openClickHouse(where);
    try {
      const store = createRollupStore(clickhouse);
      for (const rollup of rollups) {
        const buckets = await refreshRollup(rollup, { marks, store, clock: systemClock }, { all: rebuild });
        if (json) printJson({ rollup: rollup.name, table: rollup.from.name, buckets });
        else printLine(`${rollup.name}: ${buckets} buckets counted from ${rollup.from.name}`);
      }
      if (rollups.length === 0) say("This application has no rollups.");
      return exitCodes.fine;
    } finally {
      await clickhouse.close();
    }
  } finally {
    await marks.close();
  }
}

function pick(app: AppPlan, name: string | undefined): readonly RollupPlan[] {
  const rollups = rollupsOf(app);
  if (name === undefined) return rollups;
  const found = rollups.filter((rollup) => rollup.name === name);
  if (found.length > 0) return found;
  const hint =
    rollups.length > 0 ? `There are ${rollups.map((rollup) => rollup.name).join(", ")}.` : "This application has none.";
  throw new ConfigError("usage", `there is no rollup '${name}'`, { hint });
}
