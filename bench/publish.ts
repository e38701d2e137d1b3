import { openProducer, type Stream } from "headrace";
import { createClient } from "redis";
import { appLogins, logins } from "../pipelines/streams.ts";
import type { Login } from "./data.ts";

/** The name of the Redis stream that plain entries are written to. */
export const plainStream = appLogins.plan.layout.kind === "adopted" ? appLogins.plan.layout.redisKey : "";

/** What the keys of each partition of a stream begin with. */
export const partitionPrefixes = ({ plan }: Stream<unknown>): readonly string[] =>
  Array.from(
    { length: plan.layout.kind === "partitioned" ? plan.layout.partitions : 0 },
    (_, index) => `hr:{${plan.name}:${String(index).padStart(2, "0")}}`,
  );

/** Those of `logins`. */
export const framePartitions = partitionPrefixes(logins);

/** XADDs that may be under way at once. */
const maxUnderWay = 2_000;

/** Sends logins to a stream as an application does: through a producer, which packs them into frames. */
export async function publishFrames(events: readonly Login[], redisUrl: string, stream: typeof logins = logins): Promise<void> {
  const producer = await openProducer(stream, { redisUrl });
  for (const { id, type, time, data } of events) await producer.send({ type, time, data }, { id });
  await producer.close();
}

/** Writes logins as another program would: one JSON event an entry. */
export async function publishPlain(events: readonly Login[], redisUrl: string): Promise<void> {
  const redis = createClient({ url: redisUrl });
  await redis.connect();
  for (let i = 0; i < events.length; i += maxUnderWay) {
    const entries = events
      .slice(i, i + maxUnderWay)
      .map((event) => redis.xAdd(plainStream, "*", { data: JSON.stringify(event) }));
    await Promise.all(entries);
  }
  await redis.close();
}
