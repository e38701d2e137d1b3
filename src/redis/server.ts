import type { Server } from "./client.ts";

/** What a Redis server says of itself. */
export interface RedisServer {
  readonly title: "Redis" | "Valkey";
  /** The version of Redis whose commands it has, also where it is Valkey. */
  readonly version: string;
  readonly isReplica: boolean;
  readonly evictionPolicy: string;
  /** 0: no limit. */
  readonly maxMemoryBytes: number;
  readonly usedMemoryBytes: number;
  readonly writesLog: boolean;
  /** The last write of the append-only file succeeded. */
  readonly logIsSound: boolean;
}

/** Settings that INFO does not tell; `undefined` where the server lets us not read them. */
export interface RedisSettings {
  readonly appendFsync: string;
  /** Whoever reaches it may do everything. */
  readonly isOpen: boolean;
}

export async function readServer(server: Server): Promise<RedisServer> {
  const info = new Map(
    String(await server.send(["INFO"]))
      .split(/\r?\n/)
      .flatMap((line) => {
        const colon = line.indexOf(":");
        return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1)] as const] : [];
      }),
  );
  return {
    title: info.has("valkey_version") ? "Valkey" : "Redis",
    version: info.get("redis_version") ?? "0.0",
    isReplica: info.get("role") === "slave",
    evictionPolicy: info.get("maxmemory_policy") ?? "noeviction",
    maxMemoryBytes: Number(info.get("maxmemory") ?? 0),
    usedMemoryBytes: Number(info.get("used_memory") ?? 0),
    writesLog: info.get("aof_enabled") === "1",
    logIsSound: (info.get("aof_last_write_status") ?? "ok") === "ok",
  };
}

/** Managed servers often forbid CONFIG. */
export async function readSettings(server: Server): Promise<RedisSettings | undefined> {
  const settings = new Map<string, string>();
  try {
    for (const name of ["appendfsync", "protected-mode", "requirepass"]) {
      const [found, value] = await server.send<[Buffer?, Buffer?]>(["CONFIG", "GET", name]);
      settings.set(String(found), String(value));
    }
  } catch {
    return undefined;
  }
  return {
    appendFsync: settings.get("appendfsync") ?? "",
    isOpen: settings.get("protected-mode") === "no" && settings.get("requirepass") === "",
  };
}

export type TimeReply = readonly [seconds: Buffer, micros: Buffer];

/** What TIME answers, milliseconds since the epoch. */
export function timeOf([seconds, micros]: TimeReply): number {
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

/** How far the server's clock is ahead of ours, milliseconds, give or take half of the time that asking took. */
export async function clockAheadMs(server: Server): Promise<{ readonly aheadMs: number; readonly uncertainMs: number }> {
  const asked = Date.now();
  const theirs = timeOf(await server.send<TimeReply>(["TIME"]));
  const answered = Date.now();
  return { aheadMs: Math.round(theirs - (asked + answered) / 2), uncertainMs: (answered - asked) / 2 };
}

/** Why no worker may start on this server, and the way out; `undefined` where it may. */
export function refusalOf(server: RedisServer): { readonly what: string; readonly hint: string } | undefined {
  const { title, version, evictionPolicy } = server;
  if (Number(version.split(".")[0]) < 7) {
    return { what: `${title} ${version} is too old`, hint: "Use Redis 7.0 or newer, or Valkey." };
  }
  if (evictionPolicy !== "noeviction") {
    return {
      what: `${title} evicts keys when its memory is full (maxmemory-policy ${evictionPolicy}): whole streams, with what nobody has read`,
      hint: "Set it with 'redis-cli CONFIG SET maxmemory-policy noeviction', and in redis.conf.",
    };
  }
  return undefined;
}
