import { join } from "node:path";
import { logins64 } from "./apps/partitions-64/pipelines/index.ts";
import { headraceIn, repository, startChild } from "./child.ts";
import type { Bench, Contestant } from "./measure.ts";
import { framePartitions, partitionPrefixes, publishFrames } from "./publish.ts";
import type { BenchStack } from "./stack.ts";

/** The pipeline that is measured. */
export const pipeline = "login-analytics";

/** The directory of an application of the bench, in a checkout of Headrace. */
export const appDirectory = (name: string, checkout = repository): string => join(checkout, "bench/apps", name);

/** A worker as an operator starts it, of the application in `directory`, with the Headrace of `checkout`. */
export const startWorker = (
  { stack, profileDir }: Pick<Bench, "stack" | "profileDir">,
  {
    checkout = repository,
    directory = appDirectory("logins", checkout),
    pipelines = [pipeline],
    more = [],
  }: {
    readonly checkout?: string;
    readonly directory?: string;
    readonly pipelines?: readonly string[];
    readonly more?: readonly string[];
  } = {},
) =>
  startChild(
    headraceIn(checkout),
    ["start", "--role", "worker", "--pipelines", pipelines.join(), "--json", "--cwd", directory, "--dir", stack.dir, ...more],
    { env: stack.env, profileDir },
  );

/** The events of some partitions that are delivered: sinks have confirmed them, and they are acked. */
export async function delivered({ redis }: BenchStack, prefixes: readonly string[]): Promise<number> {
  const counts = await Promise.all(prefixes.map((prefix) => redis.hGet(`${prefix}:ledger:${pipeline}`, "delivered")));
  return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
}

/** Our worker on the frames of our producer. */
export const frames: Contestant = {
  name: "frames",
  prepare: ({ events, stack }) => publishFrames(events, stack.redisUrl),
  start: (bench) => startWorker(bench),
  done: ({ stack }) => delivered(stack, framePartitions),
  makesRows: true,
};

const partitions64 = partitionPrefixes(logins64);

/** The same in 64 partitions instead of 8: what more partitions cost. */
export const framesOf64: Contestant = {
  name: "partitions-64",
  against: frames,
  prepare: ({ events, stack }) => publishFrames(events, stack.redisUrl, logins64),
  start: (bench) => startWorker(bench, { directory: appDirectory("partitions-64") }),
  done: ({ stack }) => delivered(stack, partitions64),
  makesRows: true,
};
