import type { Logger } from "../../core/log.ts";
import type { RedisAddress } from "../../redis/connection.ts";
import { answerOf } from "../../redis/failure.ts";
import { openRedis } from "../../redis/open-redis.ts";
import { loadScripts } from "../../redis/scripts.ts";
import type { Buckets } from "../port.ts";

const scripts = loadScripts(new URL("./", import.meta.url), ["grant"]);

/** Opens buckets that all processes on one Redis share. The server's clock fills them. */
export async function openRedisBuckets(options: RedisAddress & { readonly logger: Logger }): Promise<Buckets> {
  const redis = await openRedis({ ...options, name: "headrace-limits" });
  return {
    async take(name, { perSecond, burst }, want) {
      const taking = scripts.run<[number, number, number]>(redis, "grant", {
        keys: [`hr:{limit:${name}}`],
        args: [perSecond, burst, want],
      });
      const [granted, waitMs, left] = await answerOf(taking);
      return { granted, waitMs, left };
    },
    close: () => redis.close(),
  };
}
