import { fileURLToPath } from "node:url";
import { loginFailures } from "../pipelines/streams.ts";
import { frames, startWorker } from "./frames.ts";
import type { Contestant } from "./measure.ts";
import { framePartitions, partitionPrefixes, publishFrames } from "./publish.ts";
import type { BenchStack } from "./stack.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));
/** All of the reference application's that logins go through: two read them, the third what the second derives. */
const pipelines = ["login-analytics", "login-failures", "login-attacks"];
const derived = partitionPrefixes(loginFailures);

/** The reference application as it is, with all its pipelines of logins and its rollups. */
export const referenceApp: Contestant = {
  name: "reference-app",
  against: frames,
  prepare: ({ events, stack }) => publishFrames(events, stack.redisUrl),
  start: (bench) => startWorker(bench, { directory: repository, pipelines }),
  done: async ({ events, stack }) => {
    const settled = await Promise.all(framePartitions.map((prefix) => isSettled(stack, prefix, 2)));
    const part = (events.length * settled.filter(Boolean).length) / settled.length;
    if (part < events.length) return part;
    const waiting = await Promise.all(framePartitions.map((prefix) => stack.redis.xLen(`${prefix}:outbox:login-failures`)));
    const passedOn = await Promise.all(derived.map((prefix) => isSettled(stack, prefix, 1)));
    return waiting.every((length) => length === 0) && passedOn.every(Boolean) ? part : part - 1;
  },
  makesRows: true,
};

/** Whether all groups of a partition have read everything, and nothing is pending. */
async function isSettled({ redis }: BenchStack, prefix: string, groupCount: number): Promise<boolean> {
  const log = `${prefix}:s`;
  const length = await redis.xLen(log);
  if (length === 0) return true;
  const groups = await redis.xInfoGroups(log);
  const isDone = groups.every((group) => Number(group["entries-read"] ?? 0) === length && Number(group.pending) === 0);
  return groups.length === groupCount && isDone;
}
