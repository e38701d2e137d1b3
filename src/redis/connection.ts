import { createClient, ErrorReply, RESP_TYPES, type RedisClientOptions } from "redis";
import { backoffMs, connectionBackoff } from "../core/backoff.ts";
import { systemClock } from "../core/clock.ts";
import { ConfigError, messageOf, RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { Outage } from "../core/outage.ts";
import { type AddressForm, placeOf, readAddress } from "../core/service-address.ts";
import { type Tls, tlsHint } from "../core/tls.ts";

/**
 * A connection whose string replies are Buffers: what a stream holds need not be text. Only what is used of a client is named here:
 * its own type has every command of Redis, and cost whoever compiled against it three seconds.
 */
export interface Connection {
  /** Whether it is there, or finds its way back. */
  readonly isOpen: boolean;
  /** Whether a command would be sent at once. */
  readonly isReady: boolean;
  /** What a command answers is said where it is sent: texts are Buffers. */
  sendCommand<Answer = unknown>(args: readonly (string | Buffer)[]): Promise<Answer>;
  subscribe(channel: string, listener: () => void): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "ready", listener: () => void): unknown;
  /** Ends it; commands without an answer fail. */
  destroy(): void;
}

/** Where a Redis is, and how it is reached. */
export interface RedisAddress {
  /** `redis://user:password@host:6379/0`; `rediss://` over TLS; of a cluster one node is enough, more by commas. */
  readonly url: string;
  /** For `rediss://` alone. */
  readonly tls?: Tls | undefined;
}

export interface ConnectOptions extends RedisAddress {
  readonly logger: Logger;
  /** Told by `CLIENT LIST`. */
  readonly name: string;
  /** How long the first connection may take, greeting included, milliseconds. @default 10000 */
  readonly timeoutMs?: number;
  /** Whether it opens itself again when it is lost. @default true */
  readonly reconnect?: boolean;
}

/**
 * Opens a connection that reconnects by itself and never queues while it is down: a command then fails at once with a
 * RetryableError of `run`, and the caller decides whether repeating it is safe.
 *
 * @throws ConfigError when the address does not parse or Redis refuses us, RetryableError when nothing answers there
 */
export async function connect({
  url,
  tls,
  logger,
  name,
  timeoutMs = 10_000,
  reconnect = true,
}: ConnectOptions): Promise<Connection> {
  const address = readAddress(url, form);
  const place = placeOf(address, 6379);
  if (tls && address.protocol !== "rediss:") {
    throw new ConfigError(
      "config.environment",
      `a certificate is given for Redis at ${place}, and its address is not one of TLS`,
      {
        hint: "Write rediss:// in REDIS_URL, or unset REDIS_TLS_CA_FILE, REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE.",
      },
    );
  }
  const client = newClient({
    url,
    name,
    socket: {
      ...(tls && { tls: true, ...tls }),
      connectTimeout: Math.min(timeoutMs, 5_000),
      reconnectStrategy: reconnect && ((tries) => backoffMs(tries, connectionBackoff)),
    },
  });
  const outage = new Outage(
    { began: `Redis (${name}): connection lost, trying again`, over: `Redis (${name}): connected again` },
    { clock: systemClock, logger },
  );
  let connected = false;
  client.on("error", (error) => {
    // The first connection fails below, with an error of its own.
    if (connected) outage.failed(error);
  });
  client.on("ready", () => {
    connected = true;
    outage.over();
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  // The first connection is tried once: whoever starts wants to hear at once that nothing is there.
  await new Promise<void>((resolve, reject) => {
    // A server that is stopped, or whose host has vanished, may accept a connection and never speak.
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    client.once("error", reject);
    client.connect().then(() => {
      client.off("error", reject);
      resolve();
    }, reject);
  })
    .finally(() => clearTimeout(timer))
    .catch((error) => {
      client.destroy();
      // Redis answered, and waiting changes nothing; a server that is loading its data says so with another word.
      if (error instanceof ErrorReply && /^(WRONGPASS|NOAUTH|NOPERM|ERR) /.test(error.message)) {
        throw new ConfigError("config.environment", `Redis refuses the connection to ${place}: ${messageOf(error)}`, {
          cause: error,
          hint: "Correct the user, the password or the database in REDIS_URL.",
        });
      }
      const code = error instanceof ErrorReply ? "redis.retry" : "service.unreachable";
      throw new RetryableError(code, `Redis does not answer at ${place}: ${messageOf(error)}`, {
        cause: error,
        hint: tlsHint(error, "REDIS") ?? "Start it with 'headrace up', or set REDIS_URL.",
      });
    });
  return client;
}

const createFirst = () =>
  createClient({
    // RESP2 keeps one shape of reply over all servers.
    RESP: 2,
    disableOfflineQueue: true,
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });

/** A client before it is connected. */
interface Client extends Connection {
  connect(): Promise<unknown>;
  duplicate(options: Pick<RedisClientOptions, "url" | "name" | "socket">): Client;
  once(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
}
let first: Client | undefined;

/**
 * Every `createClient` makes a class with all of Redis' commands, in about 25 ms and 15 MB; what is duplicated shares that of the
 * first, which is never connected.
 */
function newClient(options: Pick<RedisClientOptions, "url" | "name" | "socket">): Client {
  first ??= createFirst();
  return first.duplicate(options);
}

const form: AddressForm = {
  service: "Redis",
  schemes: ["redis", "rediss"],
  path: /^\/?\d*$/,
  hint: "REDIS_URL looks like redis://user:password@host:6379/0.",
};
