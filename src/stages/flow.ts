import { isKeyed, type KeyedStagePlan } from "../plan/keyed-state.ts";
import type { PipelinePlan, StagePlan } from "../plan/plan.ts";
import { compileStage } from "./compile.ts";
import { dedupe } from "./dedupe.ts";
import { end } from "./end.ts";
import { fold } from "./fold.ts";
import { join } from "./join.ts";
import type { KeyedStage, Outcomes, Run } from "./run.ts";
import { window } from "./window.ts";

/** A value between two sections, and what becomes of it. */
export interface Item {
  readonly value: unknown;
  readonly outcomes: Outcomes;
}

/**
 * A keyed stage and the stages up to the next one. The states of all values of a read are fetched before it runs, in one call; so
 * the values of a read go through one section after another, in their order.
 */
export interface Section {
  /** None for the stages before the first keyed one. */
  readonly keyed: KeyedStage | undefined;
  /** How far its watermark lies behind that of the source, before what it allows for itself, milliseconds. */
  readonly behindMs: number;
  readonly run: KeyedStage["run"];
  /** What has come out since the last call, for the next section. */
  take(): readonly Item[];
}

/** Makes the sections of a pipeline with keyed state. The last one hands rows to the sinks, and nothing comes out of it. */
export function compileFlow({ stages, end: ending }: PipelinePlan): readonly Section[] {
  const starts = stages.flatMap((stage, i) => (isKeyed(stage) ? [i] : []));
  const bounds = starts[0] === 0 ? starts : [0, ...starts];
  let behindMs = 0;
  return bounds.map((from, i) => {
    const until = bounds[i + 1];
    const part = stages.slice(from, until);
    const belt: Item[] = [];
    const out: Run =
      until === undefined
        ? end(ending)
        : (value, outcomes) => {
            belt.push({ value, outcomes });
          };
    const section = compileSection(part, { out, behindMs });
    const here = behindMs;
    const [first] = part;
    if (first) behindMs += delayOf(first);
    return { ...section, behindMs: here, take: () => belt.splice(0) };
  });
}

function compileSection(
  stages: readonly StagePlan[],
  { out, behindMs }: { readonly out: Run; readonly behindMs: number },
): Pick<Section, "keyed" | "run"> {
  const [first, ...others] = stages;
  const isSection = first !== undefined && isKeyed(first);
  const next = (isSection ? others : stages).reduceRight<Run>((after, stage) => compileStage(stage, after), out);
  if (!isSection) return { keyed: undefined, run: next };
  const keyed = compileKeyed(first, { next, behindMs });
  return { keyed, run: keyed.run };
}

function compileKeyed(plan: KeyedStagePlan, context: { readonly next: Run; readonly behindMs: number }): KeyedStage {
  switch (plan.kind) {
    case "fold":
      return fold(plan, context);
    case "window":
      return window(plan, context);
    case "join":
      return join(plan, context);
    case "dedupe":
      return dedupe(plan, context);
    default:
      return plan satisfies never;
  }
}

/** How much later than its time a result of the stage may come out, beyond what came in. */
function delayOf(stage: StagePlan): number {
  switch (stage.kind) {
    case "window":
      return stage.allowedLatenessMs + 1 + (stage.shape.kind === "session" ? stage.shape.gapMs : 0);
    case "fold":
      return stage.allowedLatenessMs;
    case "join":
      return stage.allowedLatenessMs + Math.max(stage.beforeMs, stage.afterMs);
    default:
      return 0;
  }
}
