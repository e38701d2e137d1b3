import { setMaxListeners } from "node:events";
import { partitionsOf } from "../bus/partition.ts";
import { checkLogs } from "../bus/redis/log-key.ts";
import { systemClock } from "../core/clock.ts";
import { ConfigError, messageOf, RetryableError } from "../core/errors.ts";
import { openAll } from "../core/open-resources.ts";
import { runWorker } from "../engine/worker.ts";
import { createLimits } from "../limit/limits.ts";
import { openRedisBuckets } from "../limit/redis/buckets.ts";
import { reportedLimits } from "../limit/reported-limits.ts";
import { type AppPlan, rateLimitsOf, sinksOf, workflowSinksOf } from "../plan/plan.ts";
import { rollupsOf } from "../plan/rollup.ts";
import type { TableObjectPlan, TablePlan } from "../plan/table.ts";
import type { Redis } from "../redis/client.ts";
import { readServer, refusalOf } from "../redis/server.ts";
import { deploy } from "../registry/deployments.ts";
import type { RegistryEntry } from "../registry/port.ts";
import { redisDeployments } from "../registry/redis/deployments.ts";
import { keepMarks } from "../rollup/kept-marks.ts";
import { runRefresher } from "../rollup/refresher.ts";
import type { ClickHouse } from "../sinks/clickhouse/client.ts";
import { planMigration } from "../sinks/clickhouse/migrate.ts";
import { createRollupStore } from "../sinks/clickhouse/rollup-rows.ts";
import { noTelemetry, type Telemetry } from "../telemetry/port.ts";
import { shielded } from "../telemetry/shielded.ts";
import type { ReadyRole, Role, RoleContext } from "./role.ts";
import { openBus, openClickHouse, openMarks, openRedis, openTemporal } from "./services.ts";
import { createSinks } from "./sinks.ts";

/** How long what was read may take to settle after a stop was asked for, milliseconds. What is left is read again by the next owner. */
const drainMs = 20_000;

export interface WorkerRoleOptions {
  /** Memory for keyed states, over all partitions, bytes. */
  readonly stateCacheBytes: number;
  /** What the dead letters of one partition may take of Redis' memory, bytes. */
  readonly deadLetterBytes: number;
  /** @default nobody is told */
  readonly telemetry?: Telemetry;
}

/** Runs pipelines. */
export const workerRole = (options: WorkerRoleOptions): Role => ({
  name: "worker",
  open: (context) => openWorker(context, options),
});

async function openWorker(
  { app, others, instance, leaseMs, logger, at }: RoleContext,
  { stateCacheBytes, deadLetterBytes, ...options }: WorkerRoleOptions,
): Promise<ReadyRole> {
  return openAll(async (opened) => {
    const redis = opened.add(await openRedis(at.redis(), logger, "headrace-check"), (one) => one.close());
    await checkRedis(redis, logger);
    await checkLogs(
      redis,
      app.pipelines.flatMap(({ sources }) => sources.flatMap(partitionsOf)),
    );
    const bus = opened.add(await openBus(at.redis(), logger, deadLetterBytes), (one) => one.close());
    const sharesLimits = app.pipelines.flatMap(rateLimitsOf).some(({ rateLimit }) => rateLimit.shared);
    const buckets = sharesLimits ? await openRedisBuckets({ ...at.redis(), logger }) : undefined;
    opened.add(buckets, (one) => one?.close());
    const telemetry = shielded(options.telemetry ?? noTelemetry, logger);
    const limitFor = createLimits({ clock: systemClock, logger, buckets });
    const tables = tablesOf(app);
    // Those of other tables are for the workers that write them, and may not be there for this one.
    const rollups = rollupsOf(app).filter(({ from }) => tables.includes(from));
    const clickhouse = tables.length > 0 ? await openClickHouse(at.clickhouse()) : undefined;
    opened.add(clickhouse, (one) => one?.close());
    if (clickhouse) {
      await checkTables(tables, clickhouse);
      await checkTables(rollups, clickhouse);
    }
    await deploy(app, redisDeployments(redis));
    await redis.close();
    const marks = rollups.length > 0 ? keepMarks(await openMarks(at.redis(), logger), { clock: systemClock, logger }) : undefined;
    opened.add(marks, (one) => one?.close());
    const temporal = workflowSinksOf(app.pipelines).length > 0 ? await openTemporal(await at.temporal()) : undefined;
    opened.add(temporal, (one) => one?.connection.close());
    const giveUp = new AbortController();
    // Every row that waits for its turn listens.
    setMaxListeners(0, giveUp.signal);
    const sinks = await createSinks({
      clickhouse,
      temporal: temporal?.client,
      clock: systemClock,
      logger,
      signal: giveUp.signal,
      limitFor: reportedLimits(limitFor, { telemetry, clock: systemClock }),
      telemetry,
      rollups,
      marks,
    });
    opened.add(sinks, (one) => one.close());

    const refresh = async (presence: RegistryEntry, stop: AbortSignal) => {
      if (!marks || !clickhouse) return;
      const deps = { marks, store: createRollupStore(clickhouse), clock: systemClock, logger, presence };
      await runRefresher(rollups, deps, { stop });
    };

    return {
      async run(stop, presence) {
        const ended = new AbortController();
        const either = AbortSignal.any([stop, ended.signal]);
        const settling = giveUpAfter(stop, giveUp);
        const refreshing = refresh(presence, either);
        try {
          await runWorker(
            { instance, pipelines: app.pipelines, others, stateCacheBytes, leaseTtlMs: leaseMs },
            { bus, clock: systemClock, logger, sinkFor: sinks.sinkFor, limitFor, presence, telemetry },
            stop,
          );
        } finally {
          settling.clear();
          giveUp.abort();
          ended.abort();
          await refreshing;
        }
      },
      close: () => opened.close(),
    };
  });
}

/** Once `stop` has aborted, gives up what has not settled in time. */
function giveUpAfter(stop: AbortSignal, giveUp: AbortController): { readonly clear: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const start = () => {
    timer = setTimeout(() => giveUp.abort(unsettled()), drainMs);
  };
  if (stop.aborted) start();
  else stop.addEventListener("abort", start, { once: true });
  return {
    clear() {
      clearTimeout(timer);
      stop.removeEventListener("abort", start);
    },
  };
}

const unsettled = () =>
  new RetryableError("stop.forced", `the sinks have not taken what was read within ${drainMs / 1000} s of the stop`, {
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

/** Without its tables a worker would stop at the first row, when the person who has started it may be gone. */
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
