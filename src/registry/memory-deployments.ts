import type { Deployments } from "./deployments.ts";

/** What was deployed, in memory: the twin of the Redis driver. */
export function createMemoryDeployments(): Deployments {
  const texts = new Map<string, string>();
  return {
    read: async (key) => texts.get(key) ?? null,
    replace: async (key, before, text) => {
      if ((texts.get(key) ?? null) !== before) return false;
      texts.set(key, text);
      return true;
    },
  };
}
