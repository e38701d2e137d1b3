import { inCheckout } from "./before.ts";
import { frames, framesOf64 } from "./frames.ts";
import { handLoop, handLoopAhead } from "./hand-loop.ts";
import { fold, tumbling, tumblingPlain } from "./keyed.ts";
import type { Contestant } from "./measure.ts";
import { peers } from "./peers.ts";
import { plain, plainNoNames } from "./plain.ts";
import { publishings } from "./publishing.ts";
import { rawInsert, rawInsertTwo, rawRead } from "./raw-limits.ts";
import { referenceApp } from "./reference.ts";
import { plainStarts, starts } from "./starts.ts";
import { heardWorker, oneWorker, twoWorkers } from "./workers.ts";

const contestants: readonly Contestant[] = [
  frames,
  plain,
  plainNoNames,
  handLoop(1_000),
  handLoop(5_000),
  handLoop(20_000),
  handLoopAhead(20_000),
  ...peers.map(({ contestant }) => contestant),
  rawRead,
  rawInsert,
  rawInsertTwo,
  oneWorker,
  twoWorkers,
  heardWorker,
  framesOf64,
  referenceApp,
  fold,
  tumbling,
  tumblingPlain,
];

/** Those that start workflows: a run of theirs is of fewer events. */
const starters: readonly Contestant[] = [starts, plainStarts];

/** The names that `--only` takes. */
export const measurements: readonly string[] = [
  ...[...contestants, ...starters].map(({ name }) => name),
  ...publishings,
  "latency",
  "memory",
  "state-size",
];

/** These take minutes, and run only when they are named. */
const long = ["memory", "state-size"];

/** Whether a measurement was asked for. */
export const isWanted = (name: string, only: readonly string[] | undefined): boolean =>
  only === undefined ? !long.includes(name) : only.includes(name);

/** The contestants that were asked for, and those that they are measured against; `before`: beside those of that checkout of Headrace. */
export const contestantsOf = (only: readonly string[] | undefined, before?: string): readonly Contestant[] =>
  chosen(contestants, only).flatMap((one) => {
    const earlier = before === undefined ? undefined : inCheckout(one, before);
    return earlier ? [one, earlier] : [one];
  });
export const startersOf = (only: readonly string[] | undefined): readonly Contestant[] => chosen(starters, only);

function chosen(all: readonly Contestant[], only: readonly string[] | undefined): readonly Contestant[] {
  const wanted = all.filter(({ name }) => isWanted(name, only));
  const needed = new Set(wanted.flatMap(({ name, against }) => (against === undefined ? [name] : [name, against.name])));
  return all.filter(({ name }) => needed.has(name));
}
