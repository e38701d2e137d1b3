/**
 * The saga builder: a chain of steps that returns a plain Temporal workflow function. It keeps these rules:
 * - an undo is registered before its do, since a do whose reply was lost may have happened;
 * - undos run in reverse, out of reach of cancellation, and are tried for ever;
 * - a step's key is `<workflowId>/<step>`, the same over retries and resets, so receivers can stand repeats;
 * - behind the pivot there is no way back: steps are only tried again, and a cancellation does not stop them.
 *
 *   step ─▶ step ─▶ pivot ─▶ then ─▶ then ─▶ returns        refusal or fault before the pivot's end: undo, undo, undone
 */
import type { TypeHint } from "../dsl/hints.ts";
import { type Refusal, runSaga, type SagaStep } from "./run.ts";

/** What a step sees: the saga's input, the results of earlier steps, and its key. */
export interface StepContext<out Input, out Done> {
  readonly input: Input;
  readonly done: Readonly<Done>;
  /** Give it to the participant: it names this step of this saga, however often it is tried. */
  readonly key: string;
}

/** What an undo sees. `result` is undefined when the step never answered: undo by key then. */
export interface UndoContext<out Input, out Done, out Result> extends StepContext<Input, Done> {
  readonly result: Result | undefined;
}

export interface Reversible<in Input, in Done, in out Result> {
  readonly do: (context: StepContext<Input, Done>) => Promise<Result>;
  readonly undo: (context: UndoContext<Input, Done, NoInfer<Result>>) => Promise<unknown>;
}

/** Refuses a name that an earlier step has: keys and results are kept under it. */
type Fresh<Name extends string, Done> = Name extends keyof Done ? TypeHint<`The saga has a step '${Name}' already`> : Name;
type With<Done, Name extends string, Result> = Done & { readonly [K in Name]: Result };

/** A saga before its pivot: every step says how it is undone. */
export interface OpenSaga<in out Input, in out Done> {
  step<const Name extends string, Result>(
    name: Fresh<Name, Done>,
    step: Reversible<Input, Done, Result>,
  ): OpenSaga<Input, With<Done, Name, Result>>;
  /** The point of no return. Once it has answered, the saga will finish. */
  pivot<const Name extends string, Result>(
    name: Fresh<Name, Done>,
    step: Reversible<Input, Done, Result>,
  ): CommittedSaga<Input, With<Done, Name, Result>>;
}

/** A saga behind its pivot: forward only. An undo cannot be written any more. */
export interface CommittedSaga<in out Input, in out Done> {
  then<const Name extends string, Result>(
    name: Fresh<Name, Done>,
    run: (context: StepContext<Input, Done>) => Promise<Result>,
  ): CommittedSaga<Input, With<Done, Name, Result>>;
  /** What to tell the world once everything is undone. Tried until it succeeds. */
  whenUndone(
    run: (context: StepContext<Input, unknown> & { readonly refusal: Refusal }) => Promise<unknown>,
  ): CommittedSaga<Input, Done>;
  /** Ends the chain with the workflow's result. */
  returns<Result>(
    result: (context: { readonly input: Input; readonly done: Readonly<Done> }) => Result,
  ): (input: Input) => Promise<Result>;
}

/**
 * Begins a saga. Its name must be the name under which the workflow is exported.
 *
 * @example
 * ```ts
 * export const checkout = saga<CheckoutInput>("checkout")
 *   .step("stock", { do: ({ input, key }) => stock.reserve(key, input.lines), undo: ({ key }) => stock.release(key) })
 *   .pivot("order", { do: ({ input, key }) => orders.create(key, input), undo: ({ key }) => orders.cancel(key) })
 *   .then("announce", ({ done, key }) => announce(key, done.order))
 *   .returns(({ done }) => done.order);
 * ```
 */
export function saga<Input>(name: string): OpenSaga<Input, unknown> {
  return chain(name, []) as unknown as OpenSaga<Input, unknown>;
}

/** The chain without its types: each verb returns a new one, so a prefix can be shared. */
function chain(name: string, steps: readonly SagaStep[], whenUndone?: SagaStep["do"]): unknown {
  return {
    step: (step: string, { do: run, undo }: Reversible<never, never, unknown>) =>
      chain(name, [...steps, { name: step, kind: "reversible", do: run, undo } as SagaStep], whenUndone),
    pivot: (step: string, { do: run, undo }: Reversible<never, never, unknown>) =>
      chain(name, [...steps, { name: step, kind: "pivot", do: run, undo } as SagaStep], whenUndone),
    // biome-ignore lint/suspicious/noThenProperty: the chain's verb for what follows the pivot; a chain is never awaited
    then: (step: string, run: SagaStep["do"]) =>
      chain(name, [...steps, { name: step, kind: "forward", do: run, undo: undefined }], whenUndone),
    whenUndone: (run: SagaStep["do"]) => chain(name, steps, run),
    returns: (result: (context: { input: unknown; done: unknown }) => unknown) =>
      // Clients start a workflow by the function's name, workers find it by the name of its export.
      Object.defineProperty((input: unknown) => runSaga({ steps, whenUndone, result }, input), "name", { value: name }),
  };
}
