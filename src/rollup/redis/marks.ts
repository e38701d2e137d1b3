import { randomUUID } from "node:crypto";
import { getOrMake } from "../../core/get-or-make.ts";
import type { Logger } from "../../core/log.ts";
import type { RedisAddress } from "../../redis/connection.ts";
import { answerOf } from "../../redis/failure.ts";
import { openRedis } from "../../redis/open-redis.ts";
import { loadScripts } from "../../redis/scripts.ts";
import type { DirtyBucket, DirtyMarks } from "../port.ts";

const scripts = loadScripts(new URL("./", import.meta.url), ["mark", "clean"]);
/** The field of the last generation, beside those of the buckets. */
const counter = "generation";

/** Opens the marks that all processes on one Redis share: a hash for each rollup. */
export async function openRedisMarks(options: RedisAddress & { readonly logger: Logger }): Promise<DirtyMarks> {
  const redis = await openRedis({ ...options, name: "headrace-rollups" });
  const told = new Set<string>();
  const keyOf = (rollup: string) => `hr:{rollup:${rollup}}:dirty`;
  const us = randomUUID();
  const countKeyOf = (rollup: string) => `hr:{rollup:${rollup}}:marks:${us}`;
  const counts = new Map<string, MarkCount>();
  return {
    async mark(rollup, starts) {
      if (starts.length === 0) return;
      const marking = scripts.run(redis, "mark", { keys: [keyOf(rollup), countKeyOf(rollup)], args: [counter, ...starts] });
      const made = Number(await answerOf(marking));
      getOrMake(counts, rollup, () => new MarkCount()).told(made);
    },
    async isComplete(rollup) {
      const count = counts.get(rollup);
      if (!count) return true;
      const { made } = count;
      // Where it is no number, nothing is known of us.
      return count.isComplete(made, Number(await answerOf(redis.send(countKeyOf(rollup), ["GET", countKeyOf(rollup)]))) || 0);
    },
    async dirty(rollup) {
      const reply = await answerOf(redis.send<readonly Buffer[]>(keyOf(rollup), ["HGETALL", keyOf(rollup)]));
      const dirty: DirtyBucket[] = [];
      for (let i = 0; i + 1 < reply.length; i += 2) {
        const start = String(reply[i]);
        if (start === counter) continue;
        if (/^-?\d{1,15}$/.test(start)) dirty.push({ start: Number(start), ...markOf(String(reply[i + 1])) });
        else if (!told.has(rollup)) {
          told.add(rollup);
          const about = { rollup, hash: keyOf(rollup), field: start.slice(0, 100) };
          options.logger.error(about, "a mark of a rollup names no bucket: it is left there, and nothing is counted for it");
        }
      }
      return dirty;
    },
    async clean(rollup, buckets) {
      const args = buckets.flatMap(({ start, generation }) => [start, generation]);
      if (args.length > 0) await answerOf(scripts.run(redis, "clean", { keys: [keyOf(rollup)], args }));
    },
    close: () => redis.close(),
  };
}

/** What stands beside a bucket. Where nobody can read it, the bucket is counted as one of no generation, and clean.lua takes it off. */
function markOf(text: string): Pick<DirtyBucket, "generation" | "since"> {
  const [, generation, since] = /^(\d{1,16}) (\d{1,16})$/.exec(text) ?? [];
  return { generation: Number(generation ?? 0), since: Number(since ?? 0) };
}

/** How many marks Redis has counted of us, as it told. Where it tells of fewer, it has gone back. */
class MarkCount {
  made = 0;
  #isBehind = false;

  told(made: number): void {
    if (made > this.made) this.made = made;
    else this.#isBehind = true;
  }

  /** `before`: what was known when it was asked. */
  isComplete(before: number, made: number): boolean {
    if (made >= before && !this.#isBehind) return true;
    this.made = made;
    this.#isBehind = false;
    return false;
  }
}
