import type { GuardsPlan } from "../plan/guards.ts";
import type { PipelinePlan, StageCall, StagePlan } from "../plan/plan.ts";
import { type GuardName, guardNames } from "../plan/stage-guards.ts";
import { begun, type GuardContext, type GuardDeps, type GuardedFunction, guardWraps } from "./guard-wraps.ts";
import { keepAnswers } from "./kept-answers.ts";

export type { GuardDeps } from "./guard-wraps.ts";

type CallFunction = (value: unknown, call: StageCall) => unknown;

/** Calls that may be open where a stage has a time-out and no `concurrency`: without a bound, those that were given up would pile up. */
const maxOpenCalls = 1_000;

/**
 * The pipeline with each guarded function behind its guards, and each function whose answers are kept keeping them; nothing else is
 * changed. Done once for a process, so that all partitions of a stage share its breaker, its limit, its slots and its answers.
 */
export function guardStages(pipeline: PipelinePlan, deps: GuardDeps): PipelinePlan {
  const behindGuards = (stage: StagePlan): StagePlan => {
    if (!("guards" in stage)) return stage;
    const { name, guards = {} } = stage;
    const set = { guards, place: `${pipeline.name}/${name}`, deps };
    if (stage.kind !== "enrich") return { ...stage, transform: guarded(name, stage.transform, set), guards: undefined };
    const look = guarded(name, (key, call) => stage.look(String(key), call), set);
    return { ...stage, look: keepAnswers(look, stage.cache, deps.clock), guards: undefined };
  };
  return { ...pipeline, stages: pipeline.stages.map(behindGuards) };
}

/**
 * Puts a function behind its guards, in their order.
 *
 * A failure is what may pass: a RetryableError, or a call that took too long. Anything else that is thrown is the event's own fault, and
 * an answer like any other: it is not tried again, and sets the breaker's count back.
 *
 * A call that took too long is told so by its signal, and its event is answered at once. It holds its slot until its function has ended:
 * however long that takes, no more than `concurrency` are open.
 */
export function guarded(
  name: string,
  call: CallFunction,
  { guards, place, deps }: { readonly guards: GuardsPlan; readonly place: string; readonly deps: GuardDeps },
): CallFunction {
  if (Object.keys(guards).length === 0) return call;
  const bounded = guards.timeoutMs === undefined ? guards : { ...guards, concurrency: guards.concurrency ?? maxOpenCalls };
  const context = { name, place, guards: bounded, deps };
  const guardedFunction = guardNames.reduceRight((next, guard) => behind(guard, next, context), beginning(call));
  return async (value, { signal }) => (await guardedFunction({ value, signal, beforeBegin: () => {} })).answer;
}

function behind<Name extends GuardName>(guard: Name, next: GuardedFunction, context: GuardContext): GuardedFunction {
  const plan = context.guards[guard];
  // A guard takes its own plan: the compiler cannot tell that the two belong together.
  const wrap = guardWraps[guard] as (plan: GuardsPlan[Name], next: GuardedFunction, context: GuardContext) => GuardedFunction;
  return plan === undefined ? next : wrap(plan, next, context);
}

/** Calls the function, which may throw as well as reject. */
const beginning =
  (call: CallFunction): GuardedFunction =>
  async ({ value, signal, beforeBegin }) => {
    beforeBegin();
    return begun(new Promise((resolve) => resolve(call(value, { signal }))));
  };
