import type { RedisAddress } from "../../bus/redis/connection.ts";
import { openRedis } from "../../bus/redis/open-redis.ts";
import { runScript } from "../../bus/redis/scripts.ts";
import { messageOf, RetryableError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { DirtyBucket, Marks } from "../port.ts";

/** The field of the last generation, beside those of the buckets. */
const counter = "generation";

/** Opens the marks that all processes on one Redis share: a hash for each rollup. */
export async function openRedisMarks(options: RedisAddress & { readonly logger: Logger }): Promise<Marks> {
  const redis = await openRedis({ ...options, name: "headrace-rollups" });
  const keyOf = (rollup: string) => `hr:{rollup:${rollup}}:dirty`;
  return {
    async mark(rollup, starts) {
      if (starts.length > 0) await answered(runScript(redis, "mark", { keys: [keyOf(rollup)], args: [counter, ...starts] }));
    },
    async dirty(rollup) {
      const reply = (await answered(redis.send(keyOf(rollup), ["HGETALL", keyOf(rollup)]))) as readonly Buffer[];
      const dirty: DirtyBucket[] = [];
      for (let i = 0; i + 1 < reply.length; i += 2) {
        const [start, [generation, since]] = [
          String(reply[i]),
          String(reply[i + 1])
            .split(" ")
            .map(Number),
        ];
        if (start !== counter) dirty.push({ start: Number(start), generation: generation ?? 0, since: since ?? 0 });
      }
      return dirty;
    },
    async clean(rollup, buckets) {
      const args = buckets.flatMap(({ start, generation }) => [start, generation]);
      if (args.length > 0) await answered(runScript(redis, "clean", { keys: [keyOf(rollup)], args }));
    },
    close: () => redis.close(),
  };
}

async function answered<Answer>(call: Promise<Answer>): Promise<Answer> {
  try {
    return await call;
  } catch (error) {
    throw new RetryableError("service.unreachable", `Redis: ${messageOf(error)}`, { cause: error });
  }
}
