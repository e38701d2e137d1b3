import { systemClock } from "../../core/clock.ts";
import { runWorker } from "../../engine/worker.ts";
import { sinksOf } from "../../plan/plan.ts";
import { openBus, openClickHouse, openTemporal } from "../services.ts";
import { createSinks } from "./sinks.ts";
import type { Role } from "./role.ts";

/** How long what was read may take to settle after a stop was asked for, milliseconds. What is left is read again by the next owner. */
const drainMs = 20_000;

/** Runs pipelines. */
export const workerRole: Role = async ({ app, instance, logger, where }) => {
  const needsTemporal = app.pipelines.some((pipeline) => Object.values(sinksOf(pipeline)).some((sink) => sink.kind === "temporal"));
  const bus = await openBus(where, logger);
  const clickhouse = openClickHouse(where);
  await clickhouse.run("SELECT 1 FORMAT Null");
  const temporal = needsTemporal ? await openTemporal(where) : undefined;
  const giveUp = new AbortController();
  const client = temporal?.client as NonNullable<typeof temporal>["client"];
  const sinks = createSinks({ bus, clickhouse, temporal: client, clock: systemClock, logger, signal: giveUp.signal, instance });

  return {
    async run(stop) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      stop.addEventListener("abort", () => {
        timer = setTimeout(() => giveUp.abort(new Error(`sinks did not settle within ${drainMs / 1000} s`)), drainMs);
      });
      try {
        await runWorker({ instance, pipelines: app.pipelines }, { bus, clock: systemClock, logger, sinkFor: sinks.sinkFor }, stop);
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
