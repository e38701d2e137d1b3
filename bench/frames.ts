import { headraceFile, startChild } from "./child.ts";
import type { Bench, Contestant } from "./measure.ts";
import { framePartitions, publishFrames } from "./publish.ts";
import type { BenchStack } from "./stack.ts";

/** The pipeline that is measured. */
const pipeline = "login-analytics";

/** A worker as an operator starts it. */
export const startWorker = ({ stack, profileDir }: Pick<Bench, "stack" | "profileDir">) =>
  startChild(headraceFile, ["start", "--role", "worker", "--pipelines", pipeline, "--json", "--dir", stack.dir], {
    env: stack.env,
    profileDir,
  });

/** The events of some partitions that are delivered: sinks have confirmed them, and they are acked. */
export async function delivered({ redis }: BenchStack, prefixes: readonly string[]): Promise<number> {
  const counts = await Promise.all(prefixes.map((prefix) => redis.hGet(`${prefix}:ledger:${pipeline}`, "delivered")));
  return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
}

/** Our worker on the frames of our producer. */
export const frames: Contestant = {
  name: "frames",
  prepare: ({ events, stack }) => publishFrames(events, stack.redisUrl),
  start: startWorker,
  done: ({ stack }) => delivered(stack, framePartitions),
  makesRows: true,
};
