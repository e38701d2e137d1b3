import type { Client, Connection } from "@temporalio/client";
import type { DataConverter } from "@temporalio/common";
import type { NativeConnectionOptions } from "@temporalio/worker";
import type { Bus } from "../bus/port.ts";
import { openRedisBus } from "../bus/redis/bus.ts";
import { systemClock } from "../core/clock.ts";
import { messageOf, RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { tlsHint } from "../core/tls.ts";
import type { Redis } from "../redis/client.ts";
import type { RedisAddress } from "../redis/connection.ts";
import { openRedis as open } from "../redis/open-redis.ts";
import type { Registry } from "../registry/port.ts";
import { openRedisRegistry } from "../registry/redis/registry.ts";
import type { DirtyMarks } from "../rollup/port.ts";
import { openRedisMarks } from "../rollup/redis/marks.ts";
import { type ClickHouse, type ClickHouseAddress, createClickHouse } from "../sinks/clickhouse/client.ts";

/** Where a Temporal server is, and how it is reached. */
export interface TemporalAddress {
  /** Address, TLS and API key, as Temporal's clients take them. */
  readonly connection: Pick<NativeConnectionOptions, "address" | "tls" | "apiKey" | "metadata">;
  /** @default "default" */
  readonly namespace?: string | undefined;
  /** How values become payloads. @default Temporal's own way */
  readonly dataConverter?: DataConverter | undefined;
  /** Messages of failures are encrypted with the payloads: the converter has a codec for them. @default false */
  readonly hidesFailures?: boolean;
}

/** Where the services are. Each is asked for when it is needed: one that an application does not use need not be there. */
export interface Addresses {
  redis(): RedisAddress;
  clickhouse(): ClickHouseAddress;
  temporal(): Promise<TemporalAddress>;
}

export const openBus = (at: RedisAddress, logger: Logger, deadLetterBytes: number): Promise<Bus> =>
  openRedisBus({ ...at, logger, deadLetterBytes });

/** The same Redis, past the bus: to look at what that does not tell, and for activities. `name` is told by CLIENT LIST. */
export const openRedis = (at: RedisAddress, logger: Logger, name: string): Promise<Redis> => open({ ...at, logger, name });

export const openRegistry = (at: RedisAddress, logger: Logger): Promise<Registry> =>
  openRedisRegistry({ ...at, clock: systemClock, logger });

export const openMarks = (at: RedisAddress, logger: Logger): Promise<DirtyMarks> => openRedisMarks({ ...at, logger });

/** A client of the ClickHouse that answers; the database that it names need not be there. */
export async function openClickHouse(at: ClickHouseAddress): Promise<ClickHouse> {
  const clickhouse = createClickHouse(at);
  const system = clickhouse.using("system");
  try {
    await system.run("SELECT 1 FORMAT Null", { timeoutMs: 10_000 });
    return clickhouse;
  } catch (error) {
    await clickhouse.close();
    if (!(error instanceof RetryableError)) throw error;
    throw new RetryableError(
      "service.unreachable",
      `ClickHouse does not answer at ${clickhouse.place}: ${messageOf(error.cause ?? error)}`,
      {
        cause: error,
        hint: tlsHint(error.cause, "CLICKHOUSE") ?? "Start it with 'headrace up', or set CLICKHOUSE_URL.",
      },
    );
  } finally {
    await system.close();
  }
}

/** A client of the Temporal server that answers. */
export async function openTemporal({
  connection: options,
  namespace,
  dataConverter,
}: TemporalAddress): Promise<{ readonly connection: Connection; readonly client: Client }> {
  const { Client, Connection } = await import("@temporalio/client");
  try {
    // Our sink tries again itself. The SDK's own timers would do so on a connection that is closed by then, and end the process.
    const connection = await Connection.connect({ ...options, interceptors: [] });
    const client = new Client({
      connection,
      ...(namespace !== undefined && { namespace }),
      ...(dataConverter && { dataConverter }),
    });
    return { connection, client };
  } catch (error) {
    throw temporalAway(options.address, error);
  }
}

export const temporalAway = (address: string | undefined, error: unknown): RetryableError =>
  new RetryableError("service.unreachable", `Temporal does not answer at ${address}: ${messageOf(error)}`, {
    cause: error,
    hint: "Start it with 'headrace up', or set TEMPORAL_ADDRESS.",
  });
