import { isFrame } from "../../bus/frame.ts";
import { isKeyed, statefulReader } from "../../plan/keyed-state.ts";
import type { AppPlan, PipelinePlan, StagePlan, StreamPlan } from "../../plan/plan.ts";
import type { FoundLetter } from "./letters.ts";

export const nothingKept = "nothing was kept of it that could be read again";

/** Where entries are set aside before any of their events is looked at. */
const wholeEntries: readonly string[] = ["decode", "delivery"];

/**
 * Why a dead letter should not be replayed, as a sentence; `undefined` where nothing stands against it.
 * `stateAgain`: keyed state may take an event twice.
 */
export function obstacle(app: AppPlan, { partition, letter }: FoundLetter, stateAgain: boolean): string | undefined {
  const reads = ({ name }: StreamPlan) => name === partition.stream;
  const pipeline = app.pipelines.find(({ name, sources }) => name === letter.pipeline && sources.some(reads));
  if (!pipeline) return `no pipeline '${letter.pipeline}' reads '${partition.stream}' any more`;
  if (letter.entry === "")
    return "it is what a stage made of several events, and no event: repair the stage, and replay the stream";
  if (letter.original === undefined && letter.fields.length === 0) return nothingKept;
  const kept = letter.fields.flatMap(([name, value]) => [Buffer.from(name), value]);
  if (letter.original === undefined && isFrame(kept) && !wholeEntries.includes(letter.stage))
    return "its event nests too deeply to be kept alone: its frame would be read again as a whole";
  if (letter.reason === "late" && pipeline.stages.some(({ name }) => name === letter.stage))
    return `what '${letter.stage}' made of its time is final: it would be late again. Allow for more lateness there, for what is to come`;
  const mover = stateAgain ? undefined : mayHaveMoved(app, pipeline, letter);
  if (mover !== undefined)
    return `it was set aside at '${letter.stage}', when the state of '${mover}' may have taken it already: add --state-again to let it take it twice`;
  return undefined;
}

/** The pipeline whose keyed state may have taken an event before it was set aside at `stage`. */
function mayHaveMoved(app: AppPlan, pipeline: PipelinePlan, { stage, reason }: FoundLetter["letter"]): string | undefined {
  const [first, second] = pipeline.stages.filter(movesState);
  if (first) {
    // What refused it could not be read, so it was not taken there; and there is no other place.
    const isOnlyPlace = second === undefined && isAlone(pipeline, first);
    if (reason === "state-unreadable" && isOnlyPlace) return undefined;
    return [...wholeEntries, "admit", first.name].includes(stage) ? undefined : pipeline.name;
  }
  // Events that were derived from it, and counted there.
  return mayBeElsewhere(stage) ? statefulReader(app, pipeline)?.name : undefined;
}

/** Whether what one destination refused may be with another. */
export const mayBeElsewhere = (stage: string): boolean => stage === "route" || stage.startsWith("sink:");

/** A dedupe forgets the events that were set aside behind it. */
const movesState = (stage: StagePlan): boolean => isKeyed(stage) && stage.kind !== "dedupe";

/** Whether an event comes to the stage as one value: others would have been taken. */
const isAlone = ({ stages }: PipelinePlan, stage: StagePlan): boolean =>
  !stages.slice(0, stages.indexOf(stage)).some(({ kind }) => kind === "flatMap");
