import { ConfigError, RetryableError } from "../../core/errors.ts";
import type { Durability } from "../port.ts";
import { writesNoLog } from "./append-failure.ts";
import type { Connection } from "./connection.ts";

/** Resolves when everything that the connection wrote before is kept at its level. Rejects when that is not known in time. */
export type Confirm = () => Promise<void>;

/**
 * How a server confirms writes at a level; undefined where its answer to the write says so already. Asked once for each
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

async function fsyncConfirmation(connection: Connection, timeoutMs: number): Promise<Confirm | undefined> {
  const info = await serverInfo(connection);
  if (info.get("loading") === "1") throw new RetryableError("service.unreachable", "Redis is loading its data");
  if (info.get("aof_enabled") !== "1") throw writesNoLog();
  // Valkey says here which Redis it is compatible with.
  const [major = 0, minor = 0] = (info.get("redis_version") ?? "").split(".").map(Number);
  if (major > 7 || (major === 7 && minor >= 2)) {
    return async () => {
      const [local] = (await connection.sendCommand(["WAITAOF", "1", "0", String(timeoutMs)])) as unknown as [number, number];
      if (local < 1) throw new RetryableError("bus.unconfirmed", `Redis has not written its log to disk within ${timeoutMs} ms`);
    };
  }
  const [, policy] = (await connection.sendCommand(["CONFIG", "GET", "appendfsync"])) as unknown as [Buffer, Buffer];
  if (String(policy) === "always") return undefined;
  throw new ConfigError(
    "bus.unsupported",
    `Redis ${info.get("redis_version")} writes its log to disk after it has answered (appendfsync ${policy}): no level 'fsync'`,
    { hint: "Set appendfsync to always, or take Redis 7.2 or newer, which can be asked (WAITAOF)." },
  );
}

async function serverInfo(connection: Connection): Promise<ReadonlyMap<string, string>> {
  const lines = String(await connection.sendCommand(["INFO"])).split("\r\n");
  return new Map(lines.map((line) => [line.split(":", 1)[0] as string, line.slice(line.indexOf(":") + 1)]));
}
