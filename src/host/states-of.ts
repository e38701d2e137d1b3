import { keys, partitionsOf } from "../bus/partition.ts";
import type { PipelinePlan } from "../plan/plan.ts";
import type { StatePlan } from "../plan/stage.ts";
import type { Redis } from "../redis/client.ts";
import { keeperOf, keptOf } from "../state/kept.ts";

/**
 * All that a fold keeps, with its keys and when it was written, some at a time. A state that moves meanwhile may be seen twice.
 * @throws ConfigError where no fold keeps it; at the end, once all others were given, as `keptOf`
 */
export async function* statesOf(
  pipelines: readonly PipelinePlan[],
  state: StatePlan,
  redis: Redis,
): AsyncIterable<readonly [key: string, state: unknown, updatedAt: number]> {
  const { pipeline, fold } = keeperOf(pipelines, state);
  yield* keptOf(fold, storedOf(pipeline, redis));
}

async function* storedOf(pipeline: PipelinePlan, redis: Redis): AsyncIterable<readonly [name: string, json: string]> {
  for (const partition of pipeline.sources.flatMap(partitionsOf)) {
    const hash = keys.states(partition, pipeline.name);
    let cursor = "0";
    do {
      const [next, page] = await redis.send<[Buffer, Buffer[]]>(hash, ["HSCAN", hash, cursor, "COUNT", "1000"]);
      cursor = String(next);
      for (let i = 0; i < page.length; i += 2) yield [String(page[i]), String(page[i + 1])];
    } while (cursor !== "0");
  }
}
