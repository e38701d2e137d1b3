import { ConfigError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { App } from "../dsl/app.ts";
import type { AppPlan, PipelinePlan } from "../plan/plan.ts";
import type { RedisAddress } from "../redis/connection.ts";
import type { ClickHouseAddress } from "../sinks/clickhouse/client.ts";
import type { Addresses, TemporalAddress } from "./services.ts";

/** What every part of an application is given that runs inside a process of yours. */
export interface HostedOptions {
  /** What `defineApp` has made. */
  readonly app: App;
  /** `redis://user:password@host:6379/0`; `rediss://` over TLS; of a cluster one node is enough, more by commas. */
  readonly redis: string | RedisAddress;
  /** `http://user:password@host:8123/database`. Needed where the application writes tables. @default none */
  readonly clickhouse?: string | ClickHouseAddress;
  /** `host:7233`. Needed where the application starts workflows. @default none */
  readonly temporal?: string | TemporalAddress;
  /** What the dead letters of one partition may take of Redis' memory, bytes; further ones are counted and not kept. @default 64 MiB */
  readonly deadLetterBytes?: number;
  /** Told what goes wrong, and what is well again. pino fits. @default silent */
  readonly logger?: Logger;
  /** Ends it in order, as `close()` does. @default only `close()` does */
  readonly signal?: AbortSignal;
}

/** Where the services are that were given; `caller` is the function whose option is missing. */
export function addressesOf(
  { redis, clickhouse, temporal }: Pick<HostedOptions, "redis" | "clickhouse" | "temporal">,
  caller: string,
): Addresses {
  const missing = (option: string, why: string): never => {
    throw new ConfigError("config.invalid", `${caller}: the application ${why}, and '${option}' is not given`, {
      hint: `Give ${caller} the address of the service as its option '${option}'.`,
    });
  };
  return {
    redis: () => (typeof redis === "string" ? { url: redis } : redis),
    clickhouse: () =>
      clickhouse === undefined
        ? missing("clickhouse", "keeps tables")
        : typeof clickhouse === "string"
          ? { url: clickhouse }
          : clickhouse,
    temporal: async () =>
      temporal === undefined
        ? missing("temporal", "starts workflows")
        : typeof temporal === "string"
          ? { connection: { address: temporal } }
          : temporal,
  };
}

/** An application with some of its pipelines, and the others. @throws ConfigError where there is none of a name */
export function split(
  app: AppPlan,
  names: readonly string[] | undefined,
): { readonly app: AppPlan; readonly others: readonly PipelinePlan[] } {
  if (names === undefined) return { app, others: [] };
  const unknown = names.find((name) => !app.pipelines.some((one) => one.name === name));
  if (unknown !== undefined || names.length === 0) {
    throw new ConfigError(
      "usage",
      unknown === undefined ? "the list of pipelines names no pipeline" : `there is no pipeline '${unknown}'`,
      {
        hint: `There are ${app.pipelines.map((one) => one.name).join(", ")}.`,
      },
    );
  }
  const pipelines = [...new Set(names)].flatMap((name) => app.pipelines.filter((one) => one.name === name));
  return { app: { ...app, pipelines }, others: app.pipelines.filter((one) => !pipelines.includes(one)) };
}
