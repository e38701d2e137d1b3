import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Bus, maxDeadLetterBytes } from "../bus/port.ts";
import { openRedisBus } from "../bus/redis/bus.ts";
import type { RedisAddress } from "../bus/redis/connection.ts";
import { openRedis as open } from "../bus/redis/open-redis.ts";
import type { Redis } from "../bus/redis/redis.ts";
import { type Codec, encryptingCodec } from "../codec/payload-codec.ts";
import { parsePayloadKeys } from "../codec/payload-keys.ts";
import { systemClock } from "../core/clock.ts";
import { ConfigError, messageOf, RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { isLoopback } from "../core/loopback.ts";
import { tlsHint } from "../core/tls.ts";
import type { Registry } from "../registry/port.ts";
import { openRedisRegistry } from "../registry/redis/registry.ts";
import type { Marks } from "../rollup/port.ts";
import { openRedisMarks } from "../rollup/redis/marks.ts";
import { type ClickHouse, createClickHouse } from "../sinks/clickhouse/client.ts";
import { readStack } from "../stack/state-file.ts";
import { readEnvironment, readTls } from "./environment.ts";
import { createLogger } from "./logger.ts";
import { wholeNumber } from "./numbers.ts";
import { readTemporalConfig } from "./temporal-config.ts";

/** Where the services are looked for: the environment first, then the stack that `headrace up` runs on `dir`. */
export interface Whereabouts {
  readonly cwd: string;
  readonly dir: string;
}

interface Service {
  readonly name: string;
  readonly variable: string;
  readonly ofStack: (stack: NonNullable<ReturnType<typeof readStack>>) => string;
}

const services = {
  redis: { name: "Redis", variable: "REDIS_URL", ofStack: (stack) => stack.redis },
  clickhouse: { name: "ClickHouse", variable: "CLICKHOUSE_URL", ofStack: (stack) => stack.clickhouse },
  temporal: { name: "Temporal", variable: "TEMPORAL_ADDRESS", ofStack: (stack) => stack.temporal },
} as const satisfies Record<string, Service>;

/** The address of a service. */
function addressOf(service: keyof typeof services, { cwd, dir }: Whereabouts): string {
  const { name, variable, ofStack } = services[service];
  const given = readEnvironment(variable);
  if (given) return given;
  const stack = readStack(resolve(cwd, dir));
  if (stack) return ofStack(stack);
  throw new ConfigError("service.unreachable", `no ${name}: ${variable} is not set, and no stack runs on ${resolve(cwd, dir)}`, {
    hint: `Start one with 'headrace up', or set ${variable}.`,
  });
}

/** Where Redis is, and how it is reached. */
export function redisAt(where: Whereabouts): RedisAddress {
  const url = addressOf("redis", where);
  if (/^redis:\/\/[^/]*@/.test(url)) warnOfPlain("REDIS_URL", url.split(/,(?=redis)/));
  return { url, tls: readTls("REDIS") };
}

/** Told once a process: a password that crosses a network for everyone to read. */
function warnOfPlain(variable: string, urls: readonly string[]): void {
  const far = urls.map((url) => (URL.canParse(url) ? new URL(url).hostname : "localhost")).find((host) => !isLoopback(host));
  if (far === undefined || warned.has(variable)) return;
  warned.add(variable);
  createLogger().warn(
    { host: far },
    `the password of ${variable} crosses the network in plain: use ${variable === "REDIS_URL" ? "rediss" : "https"}://`,
  );
}
const warned = new Set<string>();

export const openBus = (where: Whereabouts, logger: Logger): Promise<Bus> =>
  openRedisBus({ ...redisAt(where), logger, deadLetterBytes: deadLetterBytes() });

function deadLetterBytes(): number {
  const { HEADRACE_DEAD_LETTER_MB: text = "" } = process.env;
  return text === "" ? maxDeadLetterBytes : wholeNumber("HEADRACE_DEAD_LETTER_MB", text) * 1024 * 1024;
}

/** The same Redis, past the bus: to look at what that does not tell, and for activities. `name` is told by CLIENT LIST. */
export const openRedis = (where: Whereabouts, logger: Logger, name: string): Promise<Redis> =>
  open({ ...redisAt(where), logger, name });

export const openRegistry = (where: Whereabouts, logger: Logger): Promise<Registry> =>
  openRedisRegistry({ ...redisAt(where), clock: systemClock, logger });

export const openMarks = (where: Whereabouts, logger: Logger): Promise<Marks> => openRedisMarks({ ...redisAt(where), logger });

/** A client of ClickHouse, whether it answers or not. */
export function clickhouseClient(where: Whereabouts): ClickHouse {
  const setting = (name: string) => readEnvironment(`CLICKHOUSE_${name}`) || undefined;
  const [user, password, database] = [setting("USER"), setting("PASSWORD"), setting("DATABASE")];
  const url = addressOf("clickhouse", where);
  if (/^http:\/\//.test(url) && (password !== undefined || /^http:\/\/[^/]*@/.test(url))) warnOfPlain("CLICKHOUSE_URL", [url]);
  return createClickHouse({
    url,
    tls: readTls("CLICKHOUSE"),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(database !== undefined && { database }),
  });
}

/** A client of the ClickHouse that answers; the database that it names need not be there. */
export async function openClickHouse(where: Whereabouts): Promise<ClickHouse> {
  const clickhouse = clickhouseClient(where);
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

/** A client of the Temporal server; Temporal's own variables and configuration file say the rest (namespace, TLS, API key). */
export async function openTemporal(where: Whereabouts) {
  const { Client, Connection } = await import("@temporalio/client");
  const { options, namespace } = await temporalConfig(where);
  const converting = dataConverter();
  try {
    // Our sink tries again itself. The SDK's own timers would do so on a connection that is closed by then, and end the process.
    const connection = await Connection.connect({ ...options, interceptors: [] });
    const client = new Client({
      connection,
      ...(namespace !== undefined && { namespace }),
      ...(converting && { dataConverter: converting }),
    });
    return { connection, client };
  } catch (error) {
    throw temporalAway(options.address, error);
  }
}

/** How to reach Temporal, for clients and for workers. */
export const temporalConfig = (where: Whereabouts) => readTemporalConfig(() => addressOf("temporal", where));

/** What encrypts and decrypts payloads, where there are keys. */
export function payloadCodec(): Codec | undefined {
  const keys = readEnvironment("HEADRACE_PAYLOAD_KEYS");
  return keys ? encryptingCodec(parsePayloadKeys(keys)) : undefined;
}

/** How values become payloads, for clients and for workers; Temporal's own way where there are no keys. */
export function dataConverter() {
  const codec = payloadCodec();
  if (!codec) return undefined;
  return { payloadCodecs: [codec], failureConverterPath: fileURLToPath(new URL("../codec/hidden-failures.js", import.meta.url)) };
}

export const temporalAway = (address: string | undefined, error: unknown): RetryableError =>
  new RetryableError("service.unreachable", `Temporal does not answer at ${address}: ${messageOf(error)}`, {
    cause: error,
    hint: "Start it with 'headrace up', or set TEMPORAL_ADDRESS.",
  });
