import { ConfigError, RetryableError } from "../../core/errors.ts";
import { nth } from "../../core/nth.ts";
import type { Connection } from "../../redis/connection.ts";
import type { Durability } from "../durability.ts";
import { writesNoLog } from "./append-failure.ts";

/** Resolves when everything that the connection wrote before is kept at its level. Rejects when that is not known in time. */
export type Confirm = () => Promise<void>;

/**
 * How a server confirms writes at a level; undefined where its answer to the write is enough. Found out once for each
 * connection, since behind the same address there may be another server after each.
 *
 * @throws ConfigError when the server cannot give the level
 */
export async function confirmation(
  connection: Connection,
  durability: Durability,
  timeoutMs: number,
): Promise<Confirm | undefined> {
  switch (durability.kind) {
    case "memory":
      return undefined;
    case "replica": {
      const { replicas } = durability;
      return async () => {
        const confirmed = Number(await connection.sendCommand(["WAIT", String(replicas), String(timeoutMs)]));
        if (confirmed < replicas)
          throw new RetryableError(
            "bus.unconfirmed",
            `Redis: ${confirmed} of ${replicas} replicas have confirmed within ${timeoutMs} ms`,
            { hint: "Start the replicas, or ask for fewer." },
          );
      };
    }
    case "fsync":
      return fsyncConfirmation(connection, timeoutMs);
    default:
      return durability satisfies never;
  }
}

async function fsyncConfirmation(connection: Connection, timeoutMs: number): Promise<Confirm> {
  const info = await serverInfo(connection);
  if (info.get("loading") === "1") throw new RetryableError("redis.retry", "Redis is loading its data");
  if (info.get("aof_enabled") !== "1") throw writesNoLog();
  // Valkey says here which Redis it is compatible with.
  const [major = 0, minor = 0] = (info.get("redis_version") ?? "").split(".").map(Number);
  if (major > 7 || (major === 7 && minor >= 2)) {
    return async () => {
      const [local] = await connection.sendCommand<[number, number]>(["WAITAOF", "1", "0", String(timeoutMs)]);
      if (local < 1) throw new RetryableError("bus.unconfirmed", `Redis has not written its log to disk within ${timeoutMs} ms`);
    };
  }
  const byPolicy = () => confirmByPolicy(connection);
  await byPolicy();
  return byPolicy;
}

/** Under `always` an answer says that its write is on disk. Looked at after every write: an operator may change it at any time. */
async function confirmByPolicy(connection: Connection): Promise<void> {
  const [info, reply] = await Promise.all([
    serverInfo(connection, "persistence"),
    connection.sendCommand<readonly Buffer[]>(["CONFIG", "GET", "appendfsync"]),
  ]);
  if (info.get("aof_enabled") !== "1") throw writesNoLog();
  const policy = String(reply[1]);
  if (policy === "always") return;
  throw new ConfigError(
    "bus.unsupported",
    `Redis writes its log to disk after it has answered (appendfsync ${policy}), so it cannot acknowledge at the level 'fsync'`,
    { hint: "Set appendfsync to always, or take Redis 7.2 or newer, which can be asked (WAITAOF)." },
  );
}

async function serverInfo(connection: Connection, ...sections: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const lines = String(await connection.sendCommand(["INFO", ...sections])).split("\r\n");
  return new Map(lines.map((line) => [nth(line.split(":", 1), 0), line.slice(line.indexOf(":") + 1)]));
}
