import type { Sent } from "../plan/plan.ts";

/** Takes what becomes of the event under way. One event may be sent several times; it is dropped or set aside as a whole. */
export interface Outcomes {
  send(destination: string, row: unknown): void;
  drop(reason: string): void;
  /** The states of a fold's keys, as the event under way sees them. */
  readonly states: States;
  deadLetter(letter: { readonly stage: string; readonly reason: string; readonly error: string }): void;
}

/** Keyed state as a fold sees it. A promise only where the state has to be fetched first. */
export interface States {
  get(stage: string, key: string): unknown | Promise<unknown>;
  set(stage: string, key: string, state: unknown): void;
}

/** Takes one value through a stage and all behind it. Returns a promise only where a stage did: waiting costs. */
export type Run = (value: unknown, outcomes: Outcomes) => void | Promise<void>;

export const sent = (to: string, row: unknown): Sent => ({ kind: "sent", to, row });
