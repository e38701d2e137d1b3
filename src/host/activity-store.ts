import type { Redis } from "../redis/client.ts";

/**
 * What participants get of Redis: scripts, whose keys share a hash tag so that they run on a cluster too.
 *
 * @example
 * ```ts
 * import type { ActivityStore } from "headrace/host";
 * const sold = (redis: ActivityStore) => redis.eval("return redis.call('HLEN', KEYS[1])", { keys: ["shop:{sold}"], arguments: [] });
 * ```
 */
export interface ActivityStore {
  /** Runs a script. Answers are texts, numbers, null, or lists of them. */
  eval(script: string, call: { readonly keys: readonly string[]; readonly arguments: readonly string[] }): Promise<unknown>;
}

/** Answers are given as text. */
export const activityStore = (redis: Redis): ActivityStore => ({
  eval: async (script, { keys, arguments: args }) =>
    asText(await redis.send(keys[0] ?? "", ["EVAL", script, String(keys.length), ...keys, ...args])),
});

function asText(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return String(reply);
  return Array.isArray(reply) ? reply.map(asText) : reply;
}
