import { isKeyed, type KeyedStagePlan } from "../plan/keyed-state.ts";
import type { PipelinePlan, StagePlan } from "../plan/plan.ts";
import { compileStage } from "./compile.ts";
import { dedupe } from "./dedupe.ts";
import { end } from "./end.ts";
import { fold } from "./fold.ts";
import { join } from "./join.ts";
import type { KeyedStage, Run } from "./run.ts";
import { window } from "./window.ts";

/**
 * A part of a pipeline that all values of a read go through before any goes on: a keyed stage, whose states are fetched for all of them
 * in one call and which takes them one after another, in their order; or the stages between two of those, each value by itself.
 */
export type Section = { readonly kind: "keyed"; readonly stage: KeyedStage } | { readonly kind: "plain"; readonly run: Run };

/**
 * What takes an event from its source to its destinations: one function where no stage keeps a state; else sections, of which the last
 * one is plain: it hands rows to the sinks.
 */
export type Flow =
  | { readonly kind: "straight"; readonly run: Run }
  | { readonly kind: "sections"; readonly sections: readonly Section[] };

/**
 * Makes the flow of a pipeline. Guards were added before, once for the process (`guardStages`): added here, each partition would have
 * guards of its own.
 */
export function compileFlow({ stages, end: ending }: PipelinePlan): Flow {
  const onward: Run = (value, effects) => effects.pass(value);
  const sections: Section[] = [];
  let between: StagePlan[] = [];
  let behindMs = 0;
  for (const stage of stages) {
    if (!isKeyed(stage)) {
      between.push(stage);
      continue;
    }
    if (between.length > 0) sections.push({ kind: "plain", run: runOf(between, onward) });
    between = [];
    sections.push({ kind: "keyed", stage: compileKeyed(stage, { next: onward, behindMs }) });
    behindMs += delayOf(stage);
  }
  const last = runOf(between, end(ending));
  if (sections.length === 0) return { kind: "straight", run: last };
  return { kind: "sections", sections: [...sections, { kind: "plain", run: last }] };
}

const runOf = (stages: readonly StagePlan[], out: Run): Run =>
  stages.reduceRight<Run>((after, stage) => compileStage(stage, after), out);

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
function delayOf(stage: KeyedStagePlan): number {
  switch (stage.kind) {
    case "window":
      return stage.allowedLatenessMs + 1 + (stage.shape.kind === "session" ? stage.shape.gapMs : 0);
    case "fold":
      return stage.allowedLatenessMs;
    case "join":
      return stage.allowedLatenessMs + Math.max(stage.beforeMs, stage.afterMs);
    case "dedupe":
      return 0;
    default:
      return stage satisfies never;
  }
}
