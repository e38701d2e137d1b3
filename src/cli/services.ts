import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Bus, maxDeadLetterBytes } from "../bus/port.ts";
import { type Codec, encryptingCodec } from "../codec/payload-codec.ts";
import { parsePayloadKeys } from "../codec/payload-keys.ts";
import { ConfigError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { isLoopback } from "../core/loopback.ts";
import * as host from "../host/services.ts";
import type { Redis } from "../redis/client.ts";
import type { RedisAddress } from "../redis/connection.ts";
import type { Registry } from "../registry/port.ts";
import type { DirtyMarks } from "../rollup/port.ts";
import type { ClickHouse, ClickHouseAddress } from "../sinks/clickhouse/client.ts";
import { readStack } from "../stack/state-file.ts";
import { readEnvironment, readTls } from "./environment.ts";
import { createLogger } from "./logger.ts";
import { wholeNumber } from "./numbers.ts";
import { readTemporalConfig } from "./temporal-config.ts";

/** Where the services are looked for: the environment first, then the stack that `headrace up` runs on `dir`. */
export interface ServiceLocation {
  readonly cwd: string;
  readonly dir: string;
}

interface ServiceSetting {
  readonly name: string;
  readonly variable: string;
  readonly ofStack: (stack: NonNullable<ReturnType<typeof readStack>>) => string;
}

const services = {
  redis: { name: "Redis", variable: "REDIS_URL", ofStack: (stack) => stack.redis },
  clickhouse: { name: "ClickHouse", variable: "CLICKHOUSE_URL", ofStack: (stack) => stack.clickhouse },
  temporal: { name: "Temporal", variable: "TEMPORAL_ADDRESS", ofStack: (stack) => stack.temporal },
} as const satisfies Record<string, ServiceSetting>;

/** The address of a service. */
function addressOf(service: keyof typeof services, { cwd, dir }: ServiceLocation): string {
  const { name, variable, ofStack } = services[service];
  const given = readEnvironment(variable);
  if (given) return given;
  const stack = readStack(resolve(cwd, dir));
  if (stack) return ofStack(stack);
  throw new ConfigError("service.unset", `no ${name}: ${variable} is not set, and no stack runs on ${resolve(cwd, dir)}`, {
    hint: `Start one with 'headrace up', or set ${variable}.`,
  });
}

/** Where Redis is, and how it is reached. */
function redisAt(where: ServiceLocation): RedisAddress {
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

export const openBus = (where: ServiceLocation, logger: Logger): Promise<Bus> =>
  host.openBus(redisAt(where), logger, deadLetterBytes());

/** `HEADRACE_DEAD_LETTER_MB`, in bytes. */
export function deadLetterBytes(): number {
  const { HEADRACE_DEAD_LETTER_MB: text = "" } = process.env;
  return text === "" ? maxDeadLetterBytes : wholeNumber("HEADRACE_DEAD_LETTER_MB", text) * 1024 * 1024;
}

/** The same Redis, past the bus: to look at what that does not tell. `name` is told by CLIENT LIST. */
export const openRedis = (where: ServiceLocation, logger: Logger, name: string): Promise<Redis> =>
  host.openRedis(redisAt(where), logger, name);

export const openRegistry = (where: ServiceLocation, logger: Logger): Promise<Registry> =>
  host.openRegistry(redisAt(where), logger);

export const openMarks = (where: ServiceLocation, logger: Logger): Promise<DirtyMarks> => host.openMarks(redisAt(where), logger);

/** Where ClickHouse is, and how it is reached. */
function clickhouseAt(where: ServiceLocation): ClickHouseAddress {
  const setting = (name: string) => readEnvironment(`CLICKHOUSE_${name}`) || undefined;
  const [user, password, database] = [setting("USER"), setting("PASSWORD"), setting("DATABASE")];
  const url = addressOf("clickhouse", where);
  if (/^http:\/\//.test(url) && (password !== undefined || /^http:\/\/[^/]*@/.test(url))) warnOfPlain("CLICKHOUSE_URL", [url]);
  return {
    url,
    tls: readTls("CLICKHOUSE"),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(database !== undefined && { database }),
  };
}

/** A client of the ClickHouse that answers; the database that it names need not be there. */
export const openClickHouse = (where: ServiceLocation): Promise<ClickHouse> => host.openClickHouse(clickhouseAt(where));

/** Where Temporal is; its own variables and configuration file say the rest (namespace, TLS, API key). */
async function temporalAt(where: ServiceLocation): Promise<host.TemporalAddress> {
  const { options, namespace } = await readTemporalConfig(() => addressOf("temporal", where));
  const codec = payloadCodec();
  return {
    connection: options,
    namespace,
    ...(codec && { dataConverter: hidingConverter(codec), hidesFailures: true }),
  };
}

/** A client of the Temporal server that answers. */
export const openTemporal = async (where: ServiceLocation) => host.openTemporal(await temporalAt(where));

/** Where the services are, for the roles of a process. */
export const addressesAt = (where: ServiceLocation): host.Addresses => ({
  redis: () => redisAt(where),
  clickhouse: () => clickhouseAt(where),
  temporal: () => temporalAt(where),
});

/** What encrypts and decrypts payloads, where there are keys. */
export function payloadCodec(): Codec | undefined {
  const keys = readEnvironment("HEADRACE_PAYLOAD_KEYS");
  return keys ? encryptingCodec(parsePayloadKeys(keys)) : undefined;
}

/** What becomes of values on their way to Temporal: encrypted, messages of failures too. */
const hidingConverter = (codec: Codec) => ({
  payloadCodecs: [codec],
  failureConverterPath: fileURLToPath(new URL("../codec/hidden-failures.js", import.meta.url)),
});
