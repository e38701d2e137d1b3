/**
 * The saga builder: a chain of steps that returns a plain Temporal workflow function. It keeps these rules:
 * - an undo is registered before its do, since a do whose reply was lost may have happened;
 * - undos run in reverse, out of reach of cancellation, and are tried until they succeed or an operator decides;
 * - a step's key is `<workflowId>/<step>`, the same over retries and resets, so receivers can stand repeats;
 * - before the pivot every step is bounded in time; behind it there is no way back: steps are only tried again, and a
 *   cancellation does not stop them.
 *
 *   step ─▶ read ─▶ pivot ─▶ then ─▶ then ─▶ returns        refusal, fault or cancellation before the pivot's end: undo, undo, undone
 */
import type { TypeHint } from "../dsl/hints.ts";
import type { SagaPlan } from "../plan/saga.ts";
import type { BoundedCalls, EndlessCalls } from "./calls.ts";
import {
  type Chain,
  type NewStep,
  planOf,
  type Returns,
  type Reversal,
  type StepRun,
  type StepWhen,
  type WhenUndone,
  withGroup,
} from "./chain.ts";
import type { SagaRefusal } from "./refusal.ts";
import { runSaga } from "./run.ts";

/** What a step sees: the saga's input, the results of earlier steps, and its key. */
export interface StepContext<out Input, out Done, out Activities> {
  /** What the workflow was started with. */
  readonly input: Input;
  /** The results of earlier steps, by their names. */
  readonly done: Readonly<Done>;
  /** Give it to the participant: it names this step of this saga, however often it is tried. */
  readonly key: string;
  /** The key of an earlier step: what it has begun is found under it. */
  readonly keyOf: (step: Extract<keyof Done, string>) => string;
  /** The activities, with the time-outs of this step. */
  readonly call: Activities;
}

/** What an undo sees. `result` is undefined when the step never answered: undo by key then. */
export interface UndoContext<out Input, out Done, out Activities, out Result> extends StepContext<Input, Done, Activities> {
  /** What the step has answered. */
  readonly result: Result | undefined;
}

/** What a step does. */
export type RunStep<Input, Done, Activities, Result> = (context: StepContext<Input, Done, Activities>) => Promise<Result>;

/** What a step does, and how that is undone. */
export interface Reversible<in Input, in Done, in Activities, in out Result> {
  /** What it does. It comes again under the same key when an answer was lost. */
  readonly do: RunStep<Input, Done, Activities, Result>;
  /** Stands an undo of what never came, and of what was undone before. */
  readonly undo: (context: UndoContext<Input, Done, Activities, NoInfer<Result>>) => Promise<unknown>;
  /** How the calls of `do` are bounded. @default 10 s a try, tried again for 2 min */
  readonly calls?: BoundedCalls;
  /** How the calls of `undo` are made; they are tried until they succeed. @default 10 s a try */
  readonly undoCalls?: EndlessCalls;
}

/** Refuses a name that an earlier step has: keys and results are kept under it. */
export type FreshName<Name extends string, Done> = Name extends keyof Done
  ? TypeHint<`The saga has a step '${Name}' already`>
  : Name;
/** The results with that of one more step. */
export type WithResult<Done, Name extends string, Result> = Done & { readonly [K in Name]: Result };
/** Whether a step is taken. */
export type StepCondition<Input, Done> = (context: { readonly input: Input; readonly done: Readonly<Done> }) => boolean;

/** A saga before its pivot: every step says how it is undone. */
export interface OpenSaga<in out Input, in out Done, in out Activities> {
  /** A step that can be undone. */
  step<const Name extends string, Result>(
    name: FreshName<Name, Done>,
    step: Reversible<Input, Done, Activities, Result>,
  ): OpenSaga<Input, WithResult<Done, Name, Result>, Activities>;
  /** A step that is left out where `when` says no; its result is undefined then, and nothing of it is undone. */
  guarded<const Name extends string, Result>(
    name: FreshName<Name, Done>,
    when: StepCondition<Input, Done>,
    step: Reversible<Input, Done, Activities, Result>,
  ): OpenSaga<Input, WithResult<Done, Name, Result | undefined>, Activities>;
  /** A step that changes nothing, so there is nothing to undo. */
  read<const Name extends string, Result>(
    name: FreshName<Name, Done>,
    run: RunStep<Input, Done, Activities, Result>,
    calls?: BoundedCalls,
  ): OpenSaga<Input, WithResult<Done, Name, Result>, Activities>;
  /** Steps that run side by side. When one fails, the others are cancelled and waited for, and all that began are undone. */
  parallel<Added>(
    steps: (side: SideBySide<Input, Done, Activities, unknown>) => SideBySide<Input, Done, Activities, Added>,
  ): OpenSaga<Input, Done & Added, Activities>;
  /** The point of no return. Once it has answered, the saga will finish. */
  pivot<const Name extends string, Result>(
    name: FreshName<Name, Done>,
    step: Reversible<Input, Done, Activities, Result>,
  ): CommittedSaga<Input, WithResult<Done, Name, Result>, Activities>;
}

/** Steps that do not see each other's results. */
export interface SideBySide<in out Input, in out Done, in out Activities, in out Added> {
  /** One more step beside the others. */
  step<const Name extends string, Result>(
    name: FreshName<Name, Done & Added>,
    step: Reversible<Input, Done, Activities, Result>,
  ): SideBySide<Input, Done, Activities, WithResult<Added, Name, Result>>;
}

/** A saga behind its pivot: forward only. An undo cannot be written any more. */
export interface CommittedSaga<in out Input, in out Done, in out Activities> {
  /** Tried until it succeeds, or an operator gives up. */
  then<const Name extends string, Result>(
    name: FreshName<Name, Done>,
    run: RunStep<Input, Done, Activities, Result>,
    calls?: EndlessCalls,
  ): CommittedSaga<Input, WithResult<Done, Name, Result>, Activities>;
  /** A step that is left out where `when` says no; its result is undefined then. */
  guarded<const Name extends string, Result>(
    name: FreshName<Name, Done>,
    when: StepCondition<Input, Done>,
    run: RunStep<Input, Done, Activities, Result>,
    calls?: EndlessCalls,
  ): CommittedSaga<Input, WithResult<Done, Name, Result | undefined>, Activities>;
  /** What to tell the world once everything is undone. Tried until it succeeds. */
  whenUndone(
    run: (context: StepContext<Input, unknown, Activities> & { readonly refusal: SagaRefusal }) => Promise<unknown>,
  ): CommittedSaga<Input, Done, Activities>;
  /** Ends the chain with the workflow's result. */
  returns<Result>(
    result: (context: { readonly input: Input; readonly done: Readonly<Done> }) => Result,
  ): Saga<Input, Result, Activities>;
}

/** A plain Temporal workflow function, and what it does as data. */
export interface Saga<in Input, out Result, out Activities = object> {
  (input: Input): Promise<Result>;
  /** The saga as data. */
  readonly saga: SagaPlan;
  /** Carries the type parameter; there is no such value. */
  readonly _activities?: Activities;
}

/**
 * Begins a saga. Its name must be the name under which the workflow is exported.
 *
 * @throws Error as soon as the chain is built with a name that comes twice, or with steps side by side that are none.
 * @example
 * ```ts
 * export const checkout = saga<CheckoutInput, Activities>("checkout")
 *   .step("stock", {
 *     do: ({ input, key, call }) => call.reserveStock(key, input.lines),
 *     undo: ({ key, call }) => call.releaseStock(key),
 *   })
 *   .pivot("order", {
 *     do: ({ input, key, call }) => call.createOrder(key, input),
 *     undo: ({ key, call }) => call.cancelOrder(key),
 *   })
 *   .then("announce", ({ done, key, call }) => call.announceOrder(key, done.order))
 *   .returns(({ done }) => done.order);
 * ```
 */
export function saga<Input, Activities extends object>(name: string): OpenSaga<Input, unknown, Activities> {
  return build({ name, groups: [] }) as unknown as OpenSaga<Input, unknown, Activities>;
}

/** The chain without its types: each verb returns a new one, so a prefix can be shared. */
function build(chain: Chain): unknown {
  const add = (...steps: readonly NewStep[]) => build(withGroup(chain, steps));
  return {
    step: (name: string, step: Reversal) => add({ ...step, name, kind: "step" }),
    guarded: (name: string, when: StepWhen, what: Reversal | StepRun, calls?: EndlessCalls) =>
      typeof what === "function"
        ? add({ name, kind: "forward", do: what, calls, when })
        : add({ ...what, name, kind: "step", when }),
    read: (name: string, run: StepRun, calls?: BoundedCalls) => add({ name, kind: "read", do: run, calls }),
    parallel: (steps: (side: SideBySideSteps) => SideBySideSteps) => add(...steps(sideBySide([])).all),
    pivot: (name: string, step: Reversal) => add({ ...step, name, kind: "pivot" }),
    // biome-ignore lint/suspicious/noThenProperty: the chain's verb for what follows the pivot; a chain is never awaited
    then: (name: string, run: StepRun, calls?: EndlessCalls) => add({ name, kind: "forward", do: run, calls }),
    whenUndone: (run: WhenUndone) => build({ ...chain, whenUndone: run }),
    returns: (result: Returns) => {
      const workflow = (input: unknown) => runSaga(chain, result, input);
      // Clients start a workflow by the function's name, workers find it by the name of its export.
      return Object.defineProperties(workflow, { name: { value: chain.name }, saga: { value: planOf(chain), enumerable: true } });
    },
  };
}

interface SideBySideSteps {
  readonly all: readonly NewStep[];
  step(name: string, step: Reversal): SideBySideSteps;
}

const sideBySide = (all: readonly NewStep[]): SideBySideSteps => ({
  all,
  step: (name, step) => sideBySide([...all, { ...step, name, kind: "step" }]),
});
