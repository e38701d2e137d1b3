import type { Clock } from "../core/clock.ts";
import type { Buckets } from "./port.ts";

/** The in-memory twin of buckets: shared by all of one process. */
export function createMemoryBuckets(clock: Clock): Buckets {
  const buckets = new Map<string, { readonly tokens: number; readonly at: number }>();
  return {
    async take(name, { perSecond, burst }, want) {
      const now = clock.monotonic();
      const { tokens, at } = buckets.get(name) ?? { tokens: burst, at: now };
      const filled = Math.min(burst, tokens + ((now - at) * perSecond) / 1_000);
      const granted = Math.min(want, Math.floor(filled));
      const left = filled - granted;
      buckets.set(name, { tokens: left, at: now });
      const waitMs = granted < want ? Math.ceil(((1 - left) * 1_000) / perSecond) : 0;
      return { granted, waitMs, left: Math.floor(left) };
    },
    close: async () => {},
  };
}
