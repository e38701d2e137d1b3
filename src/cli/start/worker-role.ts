import { systemClock } from "../../core/clock.ts";
import { ConfigError } from "../../core/errors.ts";
import { runWorker } from "../../engine/worker.ts";
import { type AppPlan, sinksOf } from "../../plan/plan.ts";
import type { ClickHouse } from "../../sinks/clickhouse/client.ts";
import { planMigration } from "../../sinks/clickhouse/migrate.ts";
import { openBus, openClickHouse, openTemporal } from "../services.ts";
import type { Role } from "./role.ts";
import { createSinks } from "./sinks.ts";

/** How long what was read may take to settle after a stop was asked for, milliseconds. What is left is read again by the next owner. */
const drainMs = 20_000;

/** Runs pipelines. */
export const workerRole: Role = async ({ app, instance, logger, where }) => {
  const needsTemporal = app.pipelines.some((pipeline) =>
    Object.values(sinksOf(pipeline)).some((sink) => sink.kind === "temporal"),
  );
  const bus = await openBus(where, logger);
  const clickhouse = await openClickHouse(where);
  await checkTables(app, clickhouse);
  const temporal = needsTemporal ? await openTemporal(where) : undefined;
  const giveUp = new AbortController();
  const client = temporal?.client as NonNullable<typeof temporal>["client"];
  const sinks = createSinks({ clickhouse, temporal: client, clock: systemClock, logger, signal: giveUp.signal });

  return {
    async run(stop) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      stop.addEventListener("abort", () => {
        timer = setTimeout(() => giveUp.abort(new Error(`sinks did not settle within ${drainMs / 1000} s`)), drainMs);
      });
      try {
        await runWorker(
          { instance, pipelines: app.pipelines },
          { bus, clock: systemClock, logger, sinkFor: sinks.sinkFor },
          stop,
        );
      } finally {
        clearTimeout(timer);
        giveUp.abort();
        await sinks.close().catch(() => {});
        await bus.close();
        await clickhouse.close();
        await temporal?.connection.close();
      }
    },
  };
};

/** Without its tables a worker would stop at the first row; and whoever started it would have gone by then. */
async function checkTables({ pipelines }: AppPlan, clickhouse: ClickHouse): Promise<void> {
  const written = new Set(
    pipelines.flatMap((pipeline) =>
      Object.values(sinksOf(pipeline)).flatMap((sink) => (sink.kind === "clickhouse" ? [sink.table] : [])),
    ),
  );
  const missing = (await planMigration([...written], clickhouse)).filter(({ kind }) => kind === "create");
  if (missing.length === 0) return;
  throw new ConfigError(
    "clickhouse.schema",
    `ClickHouse has no ${missing.map(({ object }) => object).join(", ")} in the database '${clickhouse.database}'`,
    {
      hint: "Run 'headrace migrate --apply', then start again.",
    },
  );
}
