import type { Redis } from "../../redis/client.ts";
import { answerOf } from "../../redis/failure.ts";
import { loadScripts } from "../../redis/scripts.ts";
import type { Deployments } from "../deployments.ts";

const scripts = loadScripts(new URL("./", import.meta.url), ["replace"]);

/** What was deployed, beside the streams in Redis. Calls fail with a RetryableError while it is away. */
export const redisDeployments = (redis: Redis): Deployments => ({
  read: async (key) => {
    const text = await told(redis.send<Buffer | null>(key, ["GET", key]));
    return text === null ? null : String(text);
  },
  replace: async (key, before, text) =>
    (await told(scripts.run(redis, "replace", { keys: [key], args: [before ?? "", text] }))) === 1,
});

const told = <Answer>(call: Promise<Answer>): Promise<Answer> => answerOf(call, "Redis does not tell what is deployed");
