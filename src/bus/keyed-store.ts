import type { Fence } from "./fence.ts";
import type { PackedStates } from "./packed-states.ts";

/** The clock that a timer goes by, and the stage that it belongs to. */
export interface TimerPlace {
  readonly stage: string;
  readonly clock: "event" | "processing";
}

export interface StoredTimer {
  readonly member: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** `undefined` removes the timer. */
export interface TimerChange extends TimerPlace {
  readonly member: string;
  readonly at: number | undefined;
}

/** Ids of one set; a set is remembered as a whole. */
export interface IdSet {
  readonly set: string;
  /** UUIDs. */
  readonly ids: readonly string[];
}

/** What a commit writes of keyed state. */
export interface KeyedCommit {
  readonly states: PackedStates;
  readonly timers: readonly TimerChange[];
  /** Ids to remember: each set at least `ttlMs` from now on. */
  readonly seen: readonly (IdSet & { readonly ttlMs: number })[];
}

/**
 * Keyed states, their timers and the ids that were seen, of one pipeline on one partition. They lie beside the log and are written by the
 * commit alone. All reading is fenced, since another owner may have changed the states meanwhile.
 */
export interface KeyedStore {
  /** Keyed states by name; null where there is none. */
  states(fence: Fence, names: readonly string[]): Promise<readonly (string | null)[] | "fenced">;
  /** The next timers from a time on, that one included, in rising order. */
  timers(
    fence: Fence,
    page: TimerPlace & { readonly from: number; readonly count: number },
  ): Promise<readonly StoredTimer[] | "fenced">;
  /** Which ids are in their sets. */
  seen(fence: Fence, wanted: readonly IdSet[]): Promise<readonly (readonly boolean[])[] | "fenced">;
}
