import { keys, partitionsOf } from "../bus/partition.ts";
import { isKeyed } from "../plan/keyed-state.ts";
import type { PipelinePlan } from "../plan/plan.ts";
import type { Redis } from "../redis/client.ts";
import { splitName } from "../state/names.ts";
import { parseState } from "../state/record.ts";

/**
 * What the first stage of a pipeline that keeps something by key keeps, with its keys and when it was written, some at a time. A state that moves meanwhile may be seen twice.
 * @throws TerminalError `state.unreadable` at the end, once all others were given
 */
export async function* statesOf(
  pipelines: readonly PipelinePlan[],
  name: string,
  redis: Redis,
): AsyncIterable<readonly [key: string, state: unknown, updatedAt: number]> {
  const pipeline = pipelines.find((one) => one.name === name);
  const first = pipeline?.stages.find((stage) => isKeyed(stage) && stage.kind !== "dedupe")?.name;
  let unreadable: unknown;
  for (const partition of pipeline?.sources.flatMap(partitionsOf) ?? []) {
    const hash = keys.states(partition, name);
    let cursor = "0";
    do {
      const [next, page] = await redis.send<[Buffer, Buffer[]]>(hash, ["HSCAN", hash, cursor, "COUNT", "1000"]);
      cursor = String(next);
      for (let i = 0; i < page.length; i += 2) {
        const { stage, key } = splitName(String(page[i]));
        if (stage !== first) continue;
        const json = String(page[i + 1]);
        let record: ReturnType<typeof parseState>;
        try {
          record = parseState({ stage, key }, json);
        } catch (error) {
          unreadable ??= error;
          continue;
        }
        yield [key, record.s, record.at];
      }
    } while (cursor !== "0");
  }
  if (unreadable) throw unreadable;
}
