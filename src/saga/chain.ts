import type { SagaPlan, SagaStepPlan } from "../plan/saga.ts";
import type { BoundedCalls, EndlessCalls } from "./calls.ts";
import type { SagaRefusal } from "./refusal.ts";

/** What the engine gives to a step; the builder's types say the same, exactly. */
export interface AnyContext {
  readonly input: unknown;
  readonly done: Readonly<Record<string, unknown>>;
  readonly key: string;
  readonly keyOf: (step: string) => string;
  readonly call: object;
}

export type StepRun = (context: AnyContext) => Promise<unknown>;
export type StepWhen = (context: Pick<AnyContext, "input" | "done">) => boolean;
export type WhenUndone = (context: AnyContext & { readonly refusal: SagaRefusal }) => Promise<unknown>;
export type Returns = (context: Pick<AnyContext, "input" | "done">) => unknown;

/** How a step is done and undone. */
export interface Reversal {
  readonly do: StepRun;
  readonly undo?: (context: AnyContext & { readonly result: unknown }) => Promise<unknown>;
  readonly calls?: BoundedCalls | undefined;
  readonly undoCalls?: EndlessCalls;
}

export interface Step extends Reversal, SagaStepPlan {
  readonly when?: StepWhen;
}

export type NewStep = Omit<Step, "guarded" | "group">;

/** The chain as it runs: steps of one group side by side, group after group. */
export interface Chain {
  readonly name: string;
  readonly groups: readonly (readonly Step[])[];
  readonly whenUndone?: WhenUndone;
}

/** The chain with more steps at its end. */
export function withGroup(chain: Chain, steps: readonly NewStep[]): Chain {
  if (steps.length === 0) throw new Error(`saga '${chain.name}': parallel() needs steps`);
  const names = new Set(chain.groups.flat().map(({ name }) => name));
  for (const { name } of steps) {
    if (names.has(name))
      throw new Error(`saga '${chain.name}' has a step '${name}' already: keys and results are kept under its name`);
    names.add(name);
  }
  const group = chain.groups.length;
  return { ...chain, groups: [...chain.groups, steps.map((step) => ({ ...step, guarded: step.when !== undefined, group }))] };
}

export const planOf = ({ name, groups, whenUndone }: Chain): SagaPlan => ({
  name,
  steps: groups.flat().map(({ name: step, kind, guarded, group }) => ({ name: step, kind, guarded, group })),
  tellsWhenUndone: whenUndone !== undefined,
});
