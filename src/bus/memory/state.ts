import { keys, type Partition, replayOf } from "../partition.ts";
import type { GroupState } from "../port.ts";
import { vanishedOf } from "../vanished.ts";
import type { MemoryStore } from "./store.ts";

/** How far a pipeline is with a partition and with what it replays there, by the rules of inspect.lua. */
export function stateOf(store: MemoryStore, partition: Partition, pipeline: string): GroupState {
  const { owner, epoch } = store.lease(partition, pipeline);
  const logs = [partition, replayOf(partition, pipeline)].map((one) => {
    const log = store.log(one);
    return { log, group: log.group(pipeline) };
  });
  const given = logs.flatMap(({ group }) => [...(group?.pending.values() ?? [])]);
  const counts = Object.fromEntries(store.dataOf(partition, pipeline).counts);
  const oldest = logs.flatMap(({ log, group }) => log.oldest(group) ?? []);
  const main = store.log(partition);
  return {
    owner,
    epoch,
    pendingEntries: given.length,
    pendingEvents: given.reduce((sum, { events }) => sum + events, 0),
    lagEntries: logs.reduce((sum, { log, group }) => sum + log.lag(group), 0),
    oldest: oldest.length === 0 ? undefined : Math.min(...oldest.map((id) => Number(id.split("-")[0]))),
    lastDelivered: main.group(pipeline)?.lastDelivered ?? "0-0",
    counts,
    vanished: vanishedOf({ told: store.vanished.get(keys.meta(partition)) ?? 0, counts }),
    lost: main.lost(main.group(pipeline)),
  };
}
