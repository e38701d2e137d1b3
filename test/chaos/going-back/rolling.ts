import { systemClock } from "../../../src/core/clock.ts";
import { type Logger, silentLogger } from "../../../src/core/log.ts";
import { createSinks } from "../../../src/host/sinks.ts";
import { createLimits } from "../../../src/limit/limits.ts";
import type { ClickHouseSinkPlan } from "../../../src/plan/plan.ts";
import { keepMarks } from "../../../src/rollup/kept-marks.ts";
import { openRedisMarks } from "../../../src/rollup/redis/marks.ts";
import { runRefresher } from "../../../src/rollup/refresher.ts";
import { createClickHouse } from "../../../src/sinks/clickhouse/client.ts";
import { applyMigration, planMigration } from "../../../src/sinks/clickhouse/migrate.ts";
import { createRollupStore } from "../../../src/sinks/clickhouse/rollup-rows.ts";
import type { Sink } from "../../../src/sinks/port.ts";
import { numbersByHour, seenNumbers } from "./pipelines/index.ts";

/** The table of numbers and its rollup, in a ClickHouse that does not go back. */
export interface Rolling {
  /** What a worker has of it: a sink that marks what it writes on the Redis at `url`, and its rollups kept up to date. */
  join(url: string, logger: Logger): Promise<Member>;
  /** Rows, and what the rollup says, by hour. */
  look(): Promise<RolledUp>;
  close(): Promise<void>;
}

interface Member {
  sinkFor(plan: ClickHouseSinkPlan): Sink;
  /** Once its worker has ended. */
  close(): Promise<void>;
}

export interface RolledUp {
  readonly numbers: readonly number[];
  /** Hours whose count in the rollup is not that of the table, in words. */
  readonly wrong: readonly string[];
}

export async function openRolling(env: Readonly<Record<string, string>>): Promise<Rolling> {
  const clickhouse = createClickHouse({
    url: env["CLICKHOUSE_URL"] as string,
    database: env["CLICKHOUSE_DATABASE"] as string,
  });
  const rollups = [numbersByHour.plan];
  await applyMigration(await planMigration([seenNumbers.plan, ...rollups], clickhouse), clickhouse);
  return {
    async join(url, logger) {
      const clock = systemClock;
      const marks = keepMarks(await openRedisMarks({ url, logger: silentLogger }), { clock, logger });
      const [stop, giveUp] = [new AbortController(), new AbortController()];
      const sinks = await createSinks({
        ...{ clickhouse, temporal: undefined, clock, logger: silentLogger, signal: giveUp.signal },
        ...{ limitFor: createLimits({ clock, logger: silentLogger }), rollups, marks },
      });
      const store = createRollupStore(clickhouse);
      const refreshing = runRefresher(rollups, { marks, store, clock, logger: silentLogger }, { stop: stop.signal });
      return {
        sinkFor: sinks.sinkFor,
        async close() {
          stop.abort();
          giveUp.abort();
          await refreshing;
          await sinks.close().catch(() => {});
          await marks.close();
        },
      };
    },
    async look() {
      const rows = await clickhouse.query<{ n: number }>(`SELECT n FROM ${seenNumbers.plan.name} FINAL`);
      const wrong = await clickhouse.query<{ text: string }>(`
        SELECT concat(toString(hour), ': ', toString(rolled), ' in the rollup, ', toString(there), ' in the table') AS text FROM (
          SELECT hour, sum(rolled) AS rolled, sum(there) AS there FROM (
            SELECT hour, numbers AS rolled, 0 AS there FROM ${numbersByHour.plan.name}
            UNION ALL SELECT toStartOfHour(at) AS hour, 0, count() FROM ${seenNumbers.plan.name} FINAL GROUP BY hour
          ) GROUP BY hour
        ) WHERE rolled != there ORDER BY hour`);
      return { numbers: rows.map(({ n }) => n), wrong: wrong.map(({ text }) => text) };
    },
    close: () => clickhouse.close(),
  };
}

/** The rollup is the table's; in the table is all that is in the log, and of what is gone no more than there was. */
export function faultsOfRolling({ numbers, wrong }: RolledUp, inLog: ReadonlySet<number>, gone: number): readonly string[] {
  const there = new Set(numbers);
  const missing = [...inLog].filter((n) => !there.has(n)).length;
  const strangers = numbers.filter((n) => !inLog.has(n)).length;
  return [
    ...(wrong.length > 0 ? [`the rollup: ${wrong.length} hours are wrong (${wrong.slice(0, 3)})`] : []),
    ...(missing > 0 ? [`the table: ${missing} of ${inLog.size} are missing`] : []),
    ...(numbers.length > there.size ? [`the table: ${numbers.length - there.size} rows are there twice`] : []),
    ...(strangers > gone ? [`the table: ${strangers} are of no event that there ever was`] : []),
  ];
}
