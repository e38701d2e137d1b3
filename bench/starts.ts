import { fileURLToPath } from "node:url";
import { startChild } from "./child.ts";
import { appDirectory, delivered, startWorker } from "./frames.ts";
import type { Contestant } from "./measure.ts";
import { framePartitions, publishFrames } from "./publish.ts";

/** Workflows of a run: Temporal keeps all of them. */
export const startsOfARun = 2_000;
/** As many as our sink has under way at once. */
const atOnce = 64;

/** Bare calls of Temporal's client. */
export const plainStarts: Contestant = {
  name: "plain-starts",
  prepare: async () => {},
  start: ({ stack, events, profileDir }) =>
    startChild(fileURLToPath(new URL("peers/plain-starts.mjs", import.meta.url)), [String(events.length), String(atOnce)], {
      env: stack.env,
      profileDir,
    }),
  done: async (_, child) => Number(child.latest()["started"] ?? 0),
  makesRows: false,
};

/** A pipeline that starts a workflow for each event of its stream, acks included. */
export const starts: Contestant = {
  name: "starts",
  against: plainStarts,
  prepare: ({ events, stack }) => publishFrames(events, stack.redisUrl),
  start: (bench) => startWorker(bench, { directory: appDirectory("starts") }),
  done: ({ stack }) => delivered(stack, framePartitions),
  makesRows: false,
};
