import { appDirectory, delivered, frames, startWorker } from "./frames.ts";
import type { Contestant } from "./measure.ts";
import { plain } from "./plain.ts";
import { framePartitions, publishFrames } from "./publish.ts";

/** What keeping a state for each of 120,000 keys costs, beside the pipeline that keeps none. */
const keyed = (name: string, makesRows: boolean): Contestant => ({
  name,
  against: frames,
  prepare: ({ events, stack }) => publishFrames(events, stack.redisUrl),
  start: (bench) => startWorker(bench, { directory: appDirectory(name) }),
  done: ({ stack }) => delivered(stack, framePartitions),
  makesRows,
});

/** Each event moves the count of its key, and becomes a row. */
export const fold = keyed("fold", true);

/** Events of each key, counted by the hour. */
export const tumbling = keyed("tumbling", false);

/** The same from plain entries. */
export const tumblingPlain: Contestant = {
  ...plain,
  name: "tumbling-plain",
  against: plain,
  start: (bench) => startWorker(bench, { directory: appDirectory("tumbling-plain") }),
  makesRows: false,
};
