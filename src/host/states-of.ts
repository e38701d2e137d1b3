import { keys, partitionsOf } from "../bus/partition.ts";
import type { PipelinePlan } from "../plan/plan.ts";
import type { StatePlan } from "../plan/stage.ts";
import type { Redis } from "../redis/client.ts";
import { keeperOf, readKept } from "../state/kept.ts";
import { splitName } from "../state/names.ts";

/**
 * All that a fold keeps, with its keys and when it was written, some at a time. A state that moves meanwhile may be seen twice.
 * @throws ConfigError where no fold keeps it; at the end, once all others were given, TerminalError `state.unreadable`, or ConfigError
 * where one is of another form and the fold does not bring it up
 */
export async function* statesOf(
  pipelines: readonly PipelinePlan[],
  state: StatePlan,
  redis: Redis,
): AsyncIterable<readonly [key: string, state: unknown, updatedAt: number]> {
  const { pipeline, fold } = keeperOf(pipelines, state);
  let unreadable: unknown;
  for (const partition of pipeline.sources.flatMap(partitionsOf)) {
    const hash = keys.states(partition, pipeline.name);
    let cursor = "0";
    do {
      const [next, page] = await redis.send<[Buffer, Buffer[]]>(hash, ["HSCAN", hash, cursor, "COUNT", "1000"]);
      cursor = String(next);
      for (let i = 0; i < page.length; i += 2) {
        const name = splitName(String(page[i]));
        if (name.stage !== fold.name) continue;
        let kept: ReturnType<typeof readKept>;
        try {
          kept = readKept(name, String(page[i + 1]), fold);
        } catch (error) {
          unreadable ??= error;
          continue;
        }
        yield [name.key, kept.state, kept.updatedAt];
      }
    } while (cursor !== "0");
  }
  if (unreadable) throw unreadable;
}
