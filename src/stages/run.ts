import type { Sent, StageCall } from "../plan/plan.ts";
import type { Timers } from "../plan/timer.ts";
import type { Moment } from "../plan/window.ts";

/** Takes what becomes of a value in stages that keep no state. */
export interface Effects {
  /** What functions are given beside the value. Its signal ends the work on this and all others of the read. */
  readonly call: StageCall;
  /** Takes a value on to the next stage that keeps a state. */
  pass(value: unknown): void;
  send(destination: string, row: unknown): void;
  drop(reason: string): void;
  /** `value`: what is set aside, where no event is: an event is kept as it came. */
  deadLetter(letter: { readonly stage: string; readonly reason: string; readonly error: string; readonly value: unknown }): void;
}

/**
 * Takes what becomes of the value under way. One event may be sent several times; it is dropped, found late or set aside as a whole.
 */
export interface Outcomes extends Effects {
  /** When the value happened, and the id of the event that it comes from. */
  readonly moment: Moment;
  /** Up to here the event time of the partition is complete, before any allowance for lateness; milliseconds since the epoch. */
  readonly watermark: number;
  /** The keyed states, as the event under way sees them. */
  readonly states: States;
  /** The value has become part of a state, and ends here unless something follows from it. */
  keep(): void;
  /** The same event was taken before. */
  duplicate(): void;
  /** The value comes too late for the stage. Where no destination is named, the dead letters keep it. */
  late(stage: string, value: unknown, to?: { readonly destination: string; readonly row: unknown }): void;
  /**
   * The outcomes of something that no single event has caused, such as the end of a window: `cause` names it, so that it gets the
   * same identity however often and after whatever events it is made.
   */
  caused(cause: string, time: number): Outcomes;
  /** The same for what the value under way has completed, such as a pair: it is made in the order of that value's producer. */
  completed(cause: string, time: number): Outcomes;
}

/** Keyed state as a stage sees it. A promise only where it has to be fetched first. */
export interface States {
  /** Processing time, milliseconds since the epoch. */
  readonly now: number;
  get(stage: string, key: string): StateAndTimers | undefined | Promise<StateAndTimers | undefined>;
  /**
   * The state to change in place. Where an event fails half way through, call `startOver`, and the batch is taken again from the states
   * before it, with a copy for each event.
   */
  own(
    stage: string,
    key: string,
    copy: (state: never) => unknown,
  ): StateAndTimers | undefined | Promise<StateAndTimers | undefined>;
  /** `undefined` removes the state and its timers. */
  set(stage: string, key: string, held: StateAndTimers | undefined): void;
  /** Whether an id was taken before, within what is remembered. Takes it. */
  takes(stage: string, moment: Moment): boolean | Promise<boolean>;
  /** Has the batch taken again with a copy for each event, unless that is so already. */
  startOver(): void;
}

export interface StateAndTimers {
  readonly state: unknown;
  readonly timers: Timers;
}

/** Takes one value through a stage and all behind it. Returns a promise only where a stage did: waiting costs. */
export type Run = (value: unknown, effects: Effects) => void | Promise<void>;

/** A stage that keeps a state for each key. */
export interface KeyedStage {
  readonly name: string;
  /** What the state of a value is kept under; `undefined` where the stage remembers ids alone. */
  readonly keyOf: ((value: unknown) => string) | undefined;
  /** `key`: of the value, where it is known. */
  readonly run: (value: unknown, outcomes: Outcomes, key?: string) => void | Promise<void>;
  /** The time of a timer has come. */
  fire(fire: FiredTimer, outcomes: Outcomes): void | Promise<void>;
}

export interface FiredTimer {
  readonly key: string;
  readonly timer: string;
  /** When it was to fire: by the watermark, or by the clock. */
  readonly at: number;
}

export const sent = (to: string, row: unknown): Sent => ({ kind: "sent", to, row });
