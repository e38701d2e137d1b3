import { openRedisBus } from "../../src/bus/redis/bus.ts";
import { silentLogger } from "../../src/core/log.ts";
import { closeAll } from "./close-all.ts";
import { redisClient } from "./redis.ts";
import { redisUrl } from "./services.ts";

/** The bus on the Redis of the embedded stack, and a plain connection beside it, for what other programs do there. */
export async function openBusOnRedis() {
  const url = await redisUrl();
  const redis = await redisClient(url);
  const open: (() => unknown)[] = [() => redis.destroy()];
  try {
    const bus = await openRedisBus({ url, logger: silentLogger });
    open.push(() => bus.close());
    return { url, bus, redis, close: () => closeAll(open) };
  } catch (error) {
    await closeAll(open);
    throw error;
  }
}
