import { messageOf, RetryableError } from "../../core/errors.ts";
import type { Redis } from "../../redis/client.ts";
import { loadScripts } from "../../redis/scripts.ts";
import type { Deployments } from "../deployments.ts";

const scripts = loadScripts(new URL("./", import.meta.url), ["replace"]);

/** What was deployed, beside the streams in Redis. Calls fail with a RetryableError while it is away. */
export const redisDeployments = (redis: Redis): Deployments => ({
  read: (key) =>
    answered(async () => {
      const text = (await redis.send(key, ["GET", key])) as Buffer | null;
      return text === null ? null : String(text);
    }),
  replace: (key, before, text) =>
    answered(async () => (await scripts.run(redis, "replace", { keys: [key], args: [before ?? "", text] })) === 1),
});

async function answered<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call();
  } catch (error) {
    throw new RetryableError("service.unreachable", `Redis does not tell what is deployed: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
