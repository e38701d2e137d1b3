import { frames, framesOf64 } from "./frames.ts";
import { handLoop } from "./hand-loop.ts";
import { fold, tumbling } from "./keyed.ts";
import type { Contestant } from "./measure.ts";
import { peers } from "./peers.ts";
import { plain } from "./plain.ts";
import { rawInsert, rawRead } from "./raw-limits.ts";
import { oneWorker, twoWorkers } from "./workers.ts";

const contestants: readonly Contestant[] = [
  frames,
  plain,
  handLoop(1_000),
  handLoop(5_000),
  ...peers.map(({ contestant }) => contestant),
  rawRead,
  rawInsert,
  oneWorker,
  twoWorkers,
  framesOf64,
  fold,
  tumbling,
];

/** The names that `--only` takes. */
export const measurements: readonly string[] = [...contestants.map(({ name }) => name), "latency", "memory"];

/** Whether a measurement was asked for. `memory` takes minutes, and runs only when it is named. */
export const isWanted = (name: string, only: readonly string[] | undefined): boolean =>
  only === undefined ? name !== "memory" : only.includes(name);

/** The contestants that were asked for, and those that they are measured against. */
export function contestantsOf(only: readonly string[] | undefined): readonly Contestant[] {
  const wanted = contestants.filter(({ name }) => isWanted(name, only));
  const needed = new Set(wanted.flatMap(({ name, against }) => (against === undefined ? [name] : [name, against.name])));
  return contestants.filter(({ name }) => needed.has(name));
}
