import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { type Child, startChild, together } from "./child.ts";
import { delivered, pipeline } from "./frames.ts";
import type { Bench, Contestant } from "./measure.ts";
import { framePartitions, publishFrames } from "./publish.ts";

const program = fileURLToPath(new URL("peers/free-sink-worker.mjs", import.meta.url));
/** Longer than any run: afterwards a worker renews its lease itself. */
const leaseMs = 600_000;
const nameOf = (worker: number) => `worker-${worker}`;

/** Lets a process run on one core alone, where the system can: Node's helper threads would take a second one, where it is free. */
const onCore = spawnSync("taskset", ["-c", "0", "true"]).status === 0;

/**
 * Workers of the reference pipeline whose sink costs nothing, with an equal share of the partitions and a core of its own each.
 * `heard`: somebody listens to all that their telemetry tells, and counts it.
 */
const workers = (count: number, against?: Contestant, ...heard: readonly "heard"[]): Contestant => ({
  name: [`workers-${count}`, ...heard].join("-"),
  ...(against !== undefined && { against }),
  prepare: async ({ events, stack }) => {
    await publishFrames(events, stack.redisUrl);
    // Each finds leases that are its own already, and those of the others taken.
    for (const [index, prefix] of framePartitions.entries()) {
      await stack.redis.hSet(`${prefix}:lease:${pipeline}`, {
        owner: nameOf(index % count),
        until: Date.now() + leaseMs,
        epoch: 0,
      });
    }
  },
  start: (bench) => startTogether(bench, count, heard),
  done: ({ stack }) => delivered(stack, framePartitions),
  makesRows: false,
});

/** None begins before all are ready: time starts when they are told to. */
async function startTogether({ stack, profileDir }: Bench, count: number, more: readonly string[]): Promise<Child> {
  const starting = Array.from({ length: count }, (_, worker) =>
    startChild(program, [nameOf(worker), pipeline, ...more], {
      env: stack.env,
      profileDir,
      ...(onCore && { core: worker % availableParallelism() }),
    }),
  );
  const all = together(await Promise.all(starting));
  for (const pid of all.pids) process.kill(pid, "SIGUSR2");
  return { ...all, readyAt: performance.now() };
}

export const oneWorker = workers(1);
export const twoWorkers = workers(2, oneWorker);
export const heardWorker = workers(1, oneWorker, "heard");
