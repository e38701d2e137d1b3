import { setMaxListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { partitionsOf } from "../../bus/partition.ts";
import { checkLogs } from "../../bus/redis/log-key.ts";
import type { Redis } from "../../bus/redis/redis.ts";
import { readServer, refusalOf } from "../../bus/redis/server.ts";
import { systemClock } from "../../core/clock.ts";
import { ConfigError, messageOf, RetryableError } from "../../core/errors.ts";
import { runWorker } from "../../engine/worker.ts";
import { createLimits } from "../../limit/limits.ts";
import { openRedisBuckets } from "../../limit/redis/buckets.ts";
import { type AppPlan, rateLimitsOf, sinksOf, workflowSinksOf } from "../../plan/plan.ts";
import { rollupsOf } from "../../plan/rollup.ts";
import type { TableObjectPlan, TablePlan } from "../../plan/table.ts";
import { deploy } from "../../registry/deployments.ts";
import type { Presence } from "../../registry/port.ts";
import { redisDeployments } from "../../registry/redis/deployments.ts";
import { keepMarks } from "../../rollup/kept-marks.ts";
import { runRefresher } from "../../rollup/refresher.ts";
import type { ClickHouse } from "../../sinks/clickhouse/client.ts";
import { planMigration } from "../../sinks/clickhouse/migrate.ts";
import { createRollupStore } from "../../sinks/clickhouse/rollup-rows.ts";
import { openBus, openClickHouse, openMarks, openRedis, openTemporal, redisAt } from "../services.ts";
import type { Role, RoleContext } from "./role.ts";
import { createSinks } from "./sinks.ts";

/** How long what was read may take to settle after a stop was asked for, milliseconds. What is left is read again by the next owner. */
const drainMs = 20_000;

/** Runs pipelines. */
export const workerRole: Role = async ({ app, others, instance, stateCacheBytes, logger, where }) => {
  allocateYoung();
  const needsTemporal = workflowSinksOf(app.pipelines).length > 0;
  const sharesLimits = app.pipelines.flatMap(rateLimitsOf).some(({ rateLimit }) => rateLimit.shared);
  const redis = await openRedis(where, logger, "headrace-check");
  await checkRedis(redis, logger);
  await checkLogs(
    redis,
    app.pipelines.flatMap(({ sources }) => sources.flatMap(partitionsOf)),
  );
  const bus = await openBus(where, logger);
  const buckets = sharesLimits ? await openRedisBuckets({ ...redisAt(where), logger }) : undefined;
  const limitFor = createLimits({ clock: systemClock, logger, buckets });
  const tables = tablesOf(app);
  // Those of other tables are for the workers that write them, and may not be there for this one.
  const rollups = rollupsOf(app).filter(({ from }) => tables.includes(from));
  const clickhouse = tables.length > 0 ? await openClickHouse(where) : undefined;
  if (clickhouse) {
    await checkTables(tables, clickhouse);
    await checkTables(rollups, clickhouse);
  }
  await deploy(app, redisDeployments(redis));
  await redis.close();
  const marks = rollups.length > 0 ? keepMarks(await openMarks(where, logger), { clock: systemClock, logger }) : undefined;
  const temporal = needsTemporal ? await openTemporal(where) : undefined;
  const giveUp = new AbortController();
  // Every row that waits for its turn listens.
  setMaxListeners(0, giveUp.signal);
  const sinks = createSinks({
    clickhouse,
    temporal: temporal?.client,
    clock: systemClock,
    logger,
    signal: giveUp.signal,
    limitFor,
    rollups,
    marks,
  });

  const refresh = async (presence: Presence, stop: AbortSignal) => {
    if (!marks || !clickhouse) return;
    const deps = { marks, store: createRollupStore(clickhouse), clock: systemClock, logger, presence };
    await runRefresher(rollups, deps, { stop });
  };

  return {
    async run(stop, presence) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      stop.addEventListener("abort", () => {
        timer = setTimeout(() => giveUp.abort(unsettled()), drainMs);
      });
      const ended = new AbortController();
      const refreshing = refresh(presence, AbortSignal.any([stop, ended.signal]));
      try {
        await runWorker(
          { instance, pipelines: app.pipelines, others, stateCacheBytes },
          { bus, clock: systemClock, logger, sinkFor: sinks.sinkFor, limitFor, presence },
          stop,
        );
      } finally {
        clearTimeout(timer);
        giveUp.abort();
        ended.abort();
        await refreshing;
        await sinks.close().catch(() => {});
        await marks?.close();
        await buckets?.close();
        await bus.close();
        await clickhouse?.close();
        await temporal?.connection.close();
      }
    },
  };
};

const unsettled = () =>
  new RetryableError("service.unreachable", `the sinks have not taken what was read within ${drainMs / 1000} s of the stop`, {
    hint: "Nothing is lost: the next worker reads it again. See that the services behind the sinks are up.",
  });

/** A server that evicts would lose streams, unread entries and all, without a word. */
async function checkRedis(redis: Redis, logger: RoleContext["logger"]): Promise<void> {
  for (const one of redis.servers()) {
    const server = await readServer(one).catch((error) => {
      logger.warn(
        { error: messageOf(error) },
        "Redis does not tell how it is set up (INFO): that it evicts nothing is not checked",
      );
    });
    const refusal = server && refusalOf(server);
    if (refusal) throw new ConfigError("bus.unsupported", refusal.what, { hint: refusal.hint });
  }
}

/** The tables that pipelines write. */
const tablesOf = ({ pipelines }: AppPlan): readonly TablePlan[] =>
  pipelines.flatMap((pipeline) =>
    Object.values(sinksOf(pipeline)).flatMap((sink) => (sink.kind === "clickhouse" ? [sink.table] : [])),
  );

/** Without its tables a worker would stop at the first row; and whoever started it would have gone by then. */
async function checkTables(tables: readonly TableObjectPlan[], clickhouse: ClickHouse): Promise<void> {
  const missing = (await planMigration([...new Set(tables)], clickhouse)).filter(({ kind }) => kind === "create");
  if (missing.length === 0) return;
  throw new ConfigError(
    "clickhouse.schema",
    `ClickHouse has no ${missing.map(({ object }) => object).join(", ")} in the database '${clickhouse.database}'`,
    {
      hint: "Run 'headrace migrate --apply', then start again.",
    },
  );
}

/**
 * Keeps V8 from allocating straight into its old space what has survived by chance, at places in the code where a hundred such objects
 * have. No event outlives its turn, but a dead array there keeps all of its events until the next full collection: scavenges took
 * 6 ms instead of 2.5, a seventh more of the processor for each event.
 */
function allocateYoung(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}
