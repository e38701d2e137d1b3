import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient as createClickHouse } from "@clickhouse/client";
import { createClient as createRedis } from "redis";
import { type Child, headrace, headraceIn, repository, startChild } from "./child.ts";

/** Services of the bench alone, with the reference application's tables, and clients to prepare and watch a run with. */
export interface BenchStack {
  readonly dir: string;
  readonly redisUrl: string;
  readonly clickhouseUrl: string;
  readonly redis: RedisClient;
  readonly versions: Versions;
  /** The environment that points a process at these services, and at no others. */
  readonly env: Readonly<Record<string, string | undefined>>;
  query(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Bytes that Redis was sent since it was started. */
  sentToRedis(): Promise<number>;
  /** Bytes that Redis has answered with since it was started. */
  sentByRedis(): Promise<number>;
  /** Empties Redis and the tables. */
  reset(): Promise<void>;
  /** Resolves when nothing of the preparation is still under way: no fsync, no rewriting of the log, no merge. */
  quiet(): Promise<void>;
  close(): Promise<void>;
}

export interface Versions {
  readonly node: string;
  readonly redis: string;
  readonly clickhouse: string;
  readonly headrace: string;
  readonly cpus: number;
  /** Of each peer that ran. */
  readonly [peer: string]: string | number;
}

type RedisClient = Awaited<ReturnType<typeof connectRedis>>;

const foreign = ["REDIS_URL", "CLICKHOUSE_URL", "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_DATABASE"];

/** Starts the embedded services in a directory of their own, and migrates. */
export async function openStack(): Promise<BenchStack> {
  const dir = await mkdtemp(join(tmpdir(), "headrace-bench-"));
  let up: Child | undefined;
  try {
    up = await startChild(headraceIn(repository), ["up", "--dir", dir, "--json"]);
    return await open(dir, up);
  } catch (error) {
    await up?.stop();
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

async function open(dir: string, up: Child): Promise<BenchStack> {
  const {
    redis: redisUrl,
    clickhouse: clickhouseUrl,
    temporal,
  } = up.ready as Readonly<Record<string, string>> & {
    readonly redis: string;
    readonly clickhouse: string;
  };
  const unset = Object.fromEntries(
    foreign.flatMap((name) => [
      [name, undefined],
      [`${name}_FILE`, undefined],
    ]),
  );
  const env = {
    ...process.env,
    ...unset,
    REDIS_URL: redisUrl,
    CLICKHOUSE_URL: clickhouseUrl,
    TEMPORAL_ADDRESS: temporal,
    LOG_LEVEL: "warn",
  };
  await headrace(["migrate", "--apply", "--dir", dir], { env });
  const redis = await connectRedis(redisUrl);
  const clickhouse = createClickHouse({ url: clickhouseUrl });
  // A rewrite of the log in the middle of a run would be measured as well; `reset` asks for one instead.
  await redis.configSet("auto-aof-rewrite-percentage", "0");

  const query: BenchStack["query"] = async (sql) =>
    (await clickhouse.query({ query: sql, format: "JSONEachRow" })).json<Record<string, unknown>>();
  const persistence = async (field: string) => new RegExp(`^${field}:(\\d+)`, "m").exec(await redis.info("persistence"))?.[1];
  const isQuiet = async () => {
    for (const field of ["aof_pending_bio_fsync", "aof_rewrite_in_progress", "aof_rewrite_scheduled"]) {
      if ((await persistence(field)) === "1") return false;
    }
    const [merges] = await query("SELECT count() AS n FROM system.merges");
    return Number(merges?.["n"]) === 0;
  };
  const quiet = async () => {
    while (!(await isQuiet())) await sleep(50);
  };
  const traffic = async (field: string) => Number(new RegExp(`^${field}:(\\d+)`, "m").exec(await redis.info("stats"))?.[1]);
  return {
    dir,
    redisUrl,
    clickhouseUrl,
    redis,
    env,
    versions: await readVersions(redis, query),
    query,
    quiet,
    sentToRedis: () => traffic("total_net_input_bytes"),
    sentByRedis: () => traffic("total_net_output_bytes"),
    reset: async () => {
      await redis.flushDb();
      await redis.sendCommand(["BGREWRITEAOF"]);
      for (const { name } of await query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'",
      )) {
        await clickhouse.command({ query: `TRUNCATE TABLE \`${name}\`` });
      }
      await quiet();
    },
    close: async () => {
      redis.destroy();
      await clickhouse.close();
      await up.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function connectRedis(url: string) {
  const redis = createRedis({ url, RESP: 2 });
  redis.on("error", () => {}); // the command that meets it fails
  await redis.connect();
  return redis;
}

async function readVersions(redis: RedisClient, query: BenchStack["query"]): Promise<Versions> {
  const server = await redis.info("server");
  const valkey = /^valkey_version:(\S+)/m.exec(server)?.[1];
  const [row] = await query("SELECT version() AS version");
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return {
    node: process.versions.node,
    redis: valkey === undefined ? (/^redis_version:(\S+)/m.exec(server)?.[1] ?? "unknown") : `valkey ${valkey}`,
    clickhouse: String(row?.["version"]),
    headrace: version,
    cpus: availableParallelism(),
  };
}
