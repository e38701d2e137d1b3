import { ConfigError, messageOf, RetryableError } from "../../core/errors.ts";
import type { Commands } from "../../redis/client.ts";
import { keys, type Partition } from "../partition.ts";

interface KeyFault {
  readonly what: string;
  readonly hint: string;
}

/** Refuses partitions whose log is something else than a stream: nobody could ever read them. */
export async function checkLogs(redis: Commands, partitions: readonly Partition[]): Promise<void> {
  for (const partition of partitions) {
    const fault = await logFault(redis, partition);
    if (fault) throw new ConfigError("config.environment", fault.what, { hint: fault.hint });
  }
}

/** Names the key where a call failed because it is of another type; Redis itself does not say which it was. */
export async function naming<Answer>(
  redis: Commands,
  { partition, pipeline }: { readonly partition: Partition; readonly pipeline: string },
  call: Promise<Answer>,
): Promise<Answer> {
  try {
    return await call;
  } catch (error) {
    const said = messageOf(error);
    if (!said.includes("WRONGTYPE")) throw error;
    const [, key, is, wanted] = /the key '(.+)' is a (\w+), and no (\w+)$/.exec(said) ?? [];
    const named = key && is && wanted && key !== partition.log ? sideFault(key, is, wanted) : undefined;
    const fault = named ?? (await keyFaults(redis, partition, [pipeline]))[0];
    throw fault ? new RetryableError("redis.retry", fault.what, { cause: error, hint: fault.hint }) : error;
  }
}

/** Keys of a partition, and of pipelines that read it, that another program has made something else of. */
export async function keyFaults(
  redis: Commands,
  partition: Partition,
  pipelines: readonly string[],
): Promise<readonly KeyFault[]> {
  const wanted: readonly (readonly [key: string, type: string])[] = [
    [keys.meta(partition), "hash"],
    [keys.producers(partition), "hash"],
    [keys.deadLetters(partition), "stream"],
    ...pipelines.flatMap((pipeline) => [
      [keys.lease(partition, pipeline), "hash"] as const,
      [keys.ledger(partition, pipeline), "hash"] as const,
      [keys.open(partition, pipeline), "hash"] as const,
      [keys.states(partition, pipeline), "hash"] as const,
      [keys.outbox(partition, pipeline), "stream"] as const,
    ]),
  ];
  const faults = await Promise.all([
    logFault(redis, partition),
    ...wanted.map(async ([key, type]) => {
      const is = await typeOf(redis, key);
      return is === type || is === "none" ? undefined : sideFault(key, is, type);
    }),
  ]);
  return faults.filter((fault) => fault !== undefined);
}

async function logFault(redis: Commands, { log, stream, adopted }: Partition): Promise<KeyFault | undefined> {
  const type = await typeOf(redis, log);
  if (type === "stream" || type === "none") return undefined;
  return {
    what: `the key '${log}' of the stream '${stream}' is a ${type} in Redis, and no stream`,
    hint: adopted
      ? `Give the key of a stream (XADD) as 'adopt', or rename this one: then '${log}' is read once a stream is there.`
      : "Another program has written to it: rename it or delete it, and it becomes a stream with the next event.",
  };
}

const sideFault = (key: string, is: string, wanted: string): KeyFault => ({
  what: `the key '${key}' is a ${is} in Redis, and no ${wanted}`,
  hint: "Another program has written to it: rename it, put back what was there where there is a copy, and what waits goes on.",
});

/** Who may not ask learns it from the first call that fails. */
const typeOf = (redis: Commands, key: string): Promise<string> => redis.send(key, ["TYPE", key]).then(String, () => "none");
