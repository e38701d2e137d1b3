import { appDirectory, delivered, startWorker } from "./frames.ts";
import type { Contestant } from "./measure.ts";
import { plainStream, publishPlain } from "./publish.ts";

/** Our worker on the plain entries of another program, read in place. */
export const plain: Contestant = {
  name: "plain",
  prepare: ({ events, stack }) => publishPlain(events, stack.redisUrl),
  start: (bench) => startWorker(bench),
  done: ({ stack }) => delivered(stack, [`hr:{${plainStream}}`]),
  makesRows: true,
};

/** The same where no names of events are remembered: what remembering them costs. */
export const plainNoNames: Contestant = {
  ...plain,
  name: "plain-no-names",
  against: plain,
  start: (bench) => startWorker(bench, { directory: appDirectory("no-names") }),
};

/** The same with a sink that does not wait for more rows. */
export const plainLowLatency: Contestant = {
  ...plain,
  name: "plain-low-latency",
  start: (bench) => startWorker(bench, { directory: appDirectory("low-latency") }),
};
