import type { Redis, Server } from "../../redis/client.ts";
import { clockAheadMs, type RedisServer, type RedisSettings, readServer, readSettings, refusalOf } from "../../redis/server.ts";
import type { DoctorFinding } from "./finding.ts";

/** Above this part of maxmemory there is little time left to act. */
const fullFrom = { warning: 0.8, error: 0.95 } as const;
/** Leases and event times are compared with Redis's clock. */
const clockToleranceMs = 1_000;

/** What is wrong with the Redis server itself, or with those of a cluster. */
export async function redisFindings(redis: Redis): Promise<readonly DoctorFinding[]> {
  const servers = redis.servers();
  const findings = await Promise.all(
    servers.map(async (one) =>
      (await serverFindings(one)).map((finding) =>
        servers.length === 1 ? finding : { ...finding, where: `${finding.where} of ${one.address}` },
      ),
    ),
  );
  return findings.flat();
}

async function serverFindings(one: Server): Promise<readonly DoctorFinding[]> {
  const server = await readServer(one);
  const settings = await readSettings(one);
  return [
    ...kindFindings(server),
    ...diskFindings(server, settings),
    ...memoryFindings(server),
    ...(await clockFindings(one)),
    ...doorFindings(settings),
  ];
}

function kindFindings(server: RedisServer): readonly DoctorFinding[] {
  const refusal = refusalOf(server);
  const findings: DoctorFinding[] = refusal ? [{ severity: "error", where: "redis", ...refusal }] : [];
  if (server.isReplica) {
    const what = "it is a replica, and refuses what Headrace writes";
    findings.push({ severity: "error", where: "redis", what, hint: "Set REDIS_URL to the primary." });
  }
  return findings;
}

function diskFindings({ writesLog, logIsSound }: RedisServer, settings: RedisSettings | undefined): readonly DoctorFinding[] {
  if (!writesLog) {
    return [
      {
        severity: "error",
        where: "redis appendonly",
        what: "nothing is written to an append-only file: when Redis ends, all events since the last snapshot are gone, or all of them",
        hint: "Set it with 'redis-cli CONFIG SET appendonly yes', and in redis.conf.",
      },
    ];
  }
  if (!logIsSound) {
    return [
      {
        severity: "error",
        where: "redis appendonly",
        what: "the last write to the append-only file failed, and Redis refuses events",
        hint: "Free space on its disk; its log says what failed.",
      },
    ];
  }
  if (!settings) {
    return [
      {
        severity: "note",
        where: "redis appendfsync",
        what: "this user may not read the settings (CONFIG GET): when Redis writes to disk is unknown",
        hint: "Allow '+config|get', or look it up where the server is managed.",
      },
    ];
  }
  const { appendFsync } = settings;
  if (appendFsync === "always") return [];
  // What Redis and `headrace up` do by default is a choice, and no fault.
  const isDefault = appendFsync === "everysec";
  const window = isDefault ? "the last second, or a little more under load" : "up to half a minute";
  return [
    {
      severity: isDefault ? "note" : "warning",
      where: "redis appendfsync",
      what: `it is '${appendFsync}': a crash of Redis or of its machine loses acknowledged events of ${window}`,
      hint: "Where that must not happen, set 'redis-cli CONFIG SET appendfsync always', and in redis.conf ('headrace up --append-fsync always').",
    },
  ];
}

function memoryFindings({ maxMemoryBytes, usedMemoryBytes }: RedisServer): readonly DoctorFinding[] {
  if (maxMemoryBytes === 0) {
    const what = "it has no limit: a full machine ends Redis, where a limit would make producers wait";
    return [{ severity: "note", where: "redis maxmemory", what, hint: "Set maxmemory to what the machine can spare." }];
  }
  const part = usedMemoryBytes / maxMemoryBytes;
  if (part < fullFrom.warning) return [];
  return [
    {
      severity: part < fullFrom.error ? "warning" : "error",
      where: "redis maxmemory",
      what: `${Math.floor(part * 100)} % of it is used: when it is full, no more events are taken`,
      hint: "Start workers where events wait, shorten 'retention' of the streams, or raise maxmemory.",
    },
  ];
}

async function clockFindings(one: Server): Promise<readonly DoctorFinding[]> {
  const { aheadMs, uncertainMs } = await clockAheadMs(one);
  if (Math.abs(aheadMs) - uncertainMs <= clockToleranceMs) return [];
  const what = `the clock of Redis is ${Math.abs(aheadMs)} ms ${aheadMs > 0 ? "ahead of" : "behind"} this machine's`;
  return [{ severity: "warning", where: "clock", what, hint: "Let both machines take their time from NTP." }];
}

function doorFindings(settings: RedisSettings | undefined): readonly DoctorFinding[] {
  if (!settings?.isOpen) return [];
  const what = "it has neither a password nor protected-mode: whoever reaches its port may read and delete everything";
  return [
    {
      severity: "warning",
      where: "redis protected-mode",
      what,
      hint: "Set a password (requirepass, or ACLs) and put it in REDIS_URL.",
    },
  ];
}
