/** A saga as inert data: what it does in which order, for pictures, tests and operators. */
export interface SagaPlan {
  /** The workflow's type. */
  readonly name: string;
  readonly steps: readonly SagaStepPlan[];
  /** Whether somebody is told once everything is undone. */
  readonly tellsWhenUndone: boolean;
}

/** A step of a saga. */
export interface SagaStepPlan {
  readonly name: string;
  /**
   * `step`: it can be undone. `read`: it changes nothing. `pivot`: once it has answered there is no way back. `forward`: behind
   * the pivot, only tried again.
   */
  readonly kind: "step" | "read" | "pivot" | "forward";
  /** Whether it may be left out, as the input has it. */
  readonly guarded: boolean;
  /** Steps of one number run side by side; numbers rise. */
  readonly group: number;
}
