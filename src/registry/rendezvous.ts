import { xxhash64 } from "../core/hash.ts";

/**
 * The instance that a key belongs to: the one with the highest hash of key and instance. Everyone who sees the same
 * instances gives the same answer, in whatever order they stand; when one leaves only its keys move, and one that joins takes
 * keys from the others alone, each about as many. After D. Thaler and C. Ravishankar, "Using Name-Based Mappings to Increase
 * Hit Rates", IEEE/ACM Transactions on Networking 6 (1), 1998.
 *
 * @returns undefined where there is no instance
 */
export function rendezvous(key: string, instances: readonly string[]): string | undefined {
  let chosen: string | undefined;
  let highest = -1n;
  for (const instance of instances) {
    const score = xxhash64(`${key}\n${instance}`);
    if (score <= highest) continue;
    highest = score;
    chosen = instance;
  }
  return chosen;
}
