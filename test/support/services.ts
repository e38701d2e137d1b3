import { randomBytes } from "node:crypto";
import { createClient as createClickHouse } from "@clickhouse/client";
import { createClient as createRedis } from "redis";
import { inject } from "vitest";
import type { Services } from "./stack.ts";

/** The test run's Redis is started with this many databases; number 0 holds the counter that hands out the others. */
const databases = 256;
const counterKey = "headrace-test:databases";

/** Addresses of the run's services. Throws in test/unit, which runs without them. */
function services(): Services {
  const provided = inject("services") as Services | undefined;
  if (provided === undefined) throw new Error("this test needs services: move its file from test/unit to test/services");
  return provided;
}

let redis: Promise<string> | undefined;
let clickhouse: Promise<ClickHouseDatabase> | undefined;

/** Another file begins, in the same process. */
export function newFile(): void {
  redis = undefined;
  clickhouse = undefined;
}

/** `redis://host:port/N`: an empty database that no other test file uses. The same one at every call in a file. */
export function redisUrl(): Promise<string> {
  redis ??= freshRedisDatabase(services().redis);
  return redis;
}

async function freshRedisDatabase(url: string): Promise<string> {
  const client = await createRedis({ url }).connect();
  try {
    const number = 1 + (((await client.incr(counterKey)) - 1) % (databases - 1));
    await client.select(number);
    await client.flushDb();
    return `${url.replace(/\/+$/, "")}/${number}`;
  } finally {
    await client.close();
  }
}

export interface ClickHouseDatabase {
  readonly url: string;
  readonly database: string;
}

/** An empty ClickHouse database that no other test file uses. The same one at every call in a file. */
export function clickhouseDatabase(): Promise<ClickHouseDatabase> {
  clickhouse ??= freshClickHouseDatabase(services().clickhouse);
  return clickhouse;
}

async function freshClickHouseDatabase(url: string): Promise<ClickHouseDatabase> {
  const database = `test_${unique()}`;
  const client = createClickHouse({ url });
  try {
    await client.command({ query: `CREATE DATABASE ${database}` });
    return { url, database };
  } finally {
    await client.close();
  }
}

/** `host:port` of Temporal. Files share its namespace: keep them apart by task queue and workflow id (see `unique`). */
export function temporalAddress(): string {
  return services().temporal;
}

/** A short name that no other test uses, of letters and digits: for task queues, workflow ids and groups. */
export function unique(prefix = ""): string {
  return `${prefix}${randomBytes(6).toString("hex")}`;
}
