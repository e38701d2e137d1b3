import { days } from "../../core/duration.ts";
import { keys, type Partition } from "../partition.ts";
import type { Commands } from "./redis.ts";

interface Of {
  readonly partition: Partition;
  readonly pipeline: string;
}

/** What is computed again comes soon: events that are gone with their log come again when their producer sends them again, or never. */
const keptMs = days(7);

/** Ids of derived events that are in their logs, though no commit made them: a set beside the outbox. */
export async function rememberStrays(redis: Commands, { partition, pipeline }: Of, ids: readonly string[]): Promise<void> {
  const key = keys.strays(partition, pipeline);
  for (let first = 0; first < ids.length; first += 1_000) {
    await redis.send(key, ["SADD", key, ...ids.slice(first, first + 1_000)]);
  }
  if (ids.length > 0) await redis.send(key, ["PEXPIRE", key, String(keptMs)]);
}

export async function readStrays(redis: Commands, { partition, pipeline }: Of): Promise<ReadonlySet<string>> {
  const key = keys.strays(partition, pipeline);
  return new Set(((await redis.send(key, ["SMEMBERS", key])) as Buffer[]).map(String));
}
