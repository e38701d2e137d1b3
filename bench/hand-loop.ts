import { fileURLToPath } from "node:url";
import { startChild } from "./child.ts";
import type { Contestant } from "./measure.ts";
import { plainStream, publishPlain } from "./publish.ts";
import type { BenchStack } from "./stack.ts";

const file = fileURLToPath(new URL("peers/hand-loop.mjs", import.meta.url));
const group = "hand-loop";

/** The entries that a group has acked, over some streams. */
export async function acked({ redis }: BenchStack, streams: readonly string[]): Promise<number> {
  const groups = await Promise.all(streams.map((stream) => redis.xInfoGroups(stream)));
  return groups.flat().reduce((sum, found) => sum + Number(found["entries-read"] ?? 0) - Number(found.pending), 0);
}

/** The rival: a loop as a good engineer writes it by hand, on plain entries, `count` of them a read. */
export const handLoop = (count: number): Contestant => ({
  name: `hand-loop-${count}`,
  prepare: async ({ events, stack }) => {
    await publishPlain(events, stack.redisUrl);
    await stack.redis.xGroupCreate(plainStream, group, "0");
  },
  start: ({ stack, profileDir }) => startChild(file, [plainStream, group, String(count)], { env: stack.env, profileDir }),
  done: ({ stack }) => acked(stack, [plainStream]),
  makesRows: true,
});
