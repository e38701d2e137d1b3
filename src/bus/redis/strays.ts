import { days } from "../../core/duration.ts";
import type { Commands } from "../../redis/client.ts";
import { keys, type Partition } from "../partition.ts";

interface StraysOf {
  readonly to: Partition;
  readonly producer: string;
}

/**
 * How long strays are remembered, milliseconds. What is computed again comes soon; where its source has lost events, they come when their
 * producer sends them again, or never.
 */
const keptMs = days(7);

/** Ids of derived events that are in a log, though no commit made them: a set beside the log, for each outbox. */
export async function rememberStrays(redis: Commands, { to, producer }: StraysOf, ids: readonly string[]): Promise<void> {
  const key = keys.strays(to, producer);
  for (let first = 0; first < ids.length; first += 1_000) {
    await redis.send(key, ["SADD", key, ...ids.slice(first, first + 1_000)]);
  }
  if (ids.length > 0) await redis.send(key, ["PEXPIRE", key, String(keptMs)]);
}

export async function readStrays(redis: Commands, { to, producer }: StraysOf): Promise<ReadonlySet<string>> {
  const key = keys.strays(to, producer);
  return new Set((await redis.send<Buffer[]>(key, ["SMEMBERS", key])).map(String));
}
