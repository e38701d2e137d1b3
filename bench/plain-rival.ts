import type { Contestant } from "./measure.ts";
import { plainStream, publishPlain } from "./publish.ts";
import type { BenchStack } from "./stack.ts";

/** The group through which every rival reads the plain entries. */
export const rivalGroup = "rival";

/** What all rivals share that read the stream of plain entries: where the events lie, and how it is seen that they are done. */
export const readsPlain: Pick<Contestant, "prepare" | "done" | "makesRows"> = {
  prepare: async ({ events, stack }) => {
    await publishPlain(events, stack.redisUrl);
    await stack.redis.xGroupCreate(plainStream, rivalGroup, "0", { MKSTREAM: true });
  },
  done: ({ stack }) => acked(stack, [plainStream]),
  makesRows: true,
};

/** What tells a rival where to read. */
export const rivalEnv = ({ env }: BenchStack) => ({ ...env, STREAM: plainStream, GROUP: rivalGroup });

/** The entries that groups have acked, over some streams. */
export async function acked({ redis }: BenchStack, streams: readonly string[]): Promise<number> {
  const groups = await Promise.all(streams.map((stream) => redis.xInfoGroups(stream)));
  return groups.flat().reduce((sum, found) => sum + Number(found["entries-read"] ?? 0) - Number(found.pending), 0);
}
