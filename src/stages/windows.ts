import type { Moment } from "../plan/window.ts";

export const noPanes: readonly Pane[] = [];

/** The values of one key in one window. */
export interface Pane {
  readonly start: number;
  readonly end: number;
  /** The event time that stands for what is in it. */
  readonly lastTime: number;
  readonly gathered: readonly unknown[];
}

export type Added =
  | { readonly kind: "late" }
  | {
      readonly kind: "added";
      /** Earlier results that are void. */
      readonly retracted: readonly Pane[];
      /** A time in the slice or session that took the value. */
      readonly at: number;
    };

/**
 * A way to cut the values of a key into windows. A state is JSON. Every call is given the watermark: by it alone windows are open or
 * closed, so that it does not matter when `close` is called, as long as it is called before the next `add`.
 */
export interface Windows<State> {
  init(watermark: number): State;
  /** A copy that the others may change. */
  copy(state: State): State;
  add(state: State, value: unknown, moment: Moment, watermark: number): Added;
  /** The open windows that hold what was added at a time. */
  changed(state: State, at: number): readonly Pane[];
  /** Takes the windows out that the watermark has passed, in the order of their ends. */
  close(state: State, watermark: number): readonly Pane[];
  /** At which watermark the next window closes; `undefined` when there is none, and the state may go. */
  closesAt(state: State): number | undefined;
}
