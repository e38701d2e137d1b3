import { ConfigError, messageOf, RetryableError } from "../../core/errors.ts";
import type { Redis } from "../../redis/client.ts";
import type { Partition } from "../partition.ts";

interface KeyFault {
  readonly what: string;
  readonly hint: string;
}

/** Refuses partitions whose log is something else than a stream: nobody could ever read them. */
export async function checkLogs(redis: Redis, partitions: readonly Partition[]): Promise<void> {
  for (const partition of partitions) {
    const fault = await faultOf(redis, partition);
    if (fault) throw new ConfigError("config.environment", fault.what, { hint: fault.hint });
  }
}

/** Names the key where a call failed because the log of its partition is no stream; Redis itself does not say which it was. */
export async function naming<Answer>(redis: Redis, partition: Partition, call: Promise<Answer>): Promise<Answer> {
  try {
    return await call;
  } catch (error) {
    const fault = messageOf(error).includes("WRONGTYPE") ? await faultOf(redis, partition) : undefined;
    throw fault ? new RetryableError("redis.retry", fault.what, { cause: error, hint: fault.hint }) : error;
  }
}

async function faultOf(redis: Redis, { log, stream, adopted }: Partition): Promise<KeyFault | undefined> {
  // Who may not ask learns it from the first read.
  const type = await redis.send(log, ["TYPE", log]).then(String, () => "none");
  if (type === "stream" || type === "none") return undefined;
  return {
    what: `the key '${log}' of the stream '${stream}' is a ${type} in Redis, and no stream`,
    hint: adopted
      ? `Give the key of a stream (XADD) as 'adopt', or rename this one: then '${log}' is read once a stream is there.`
      : "Another program has written to it: rename it or delete it, and it becomes a stream with the next event.",
  };
}
