import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Callback } from "./callback.ts";
import type { GuardsPlan } from "./guards.ts";
import type { DeadLettered, Dropped } from "./outcome.ts";
import type { StreamPlan } from "./stream.ts";
import type { Timer } from "./timer.ts";
import type { AggregatorPlan, WindowShape } from "./window.ts";

/** What a stage's function is given beside its value. */
export interface StageCall {
  /**
   * Aborts when nobody waits for the call any more: it has taken longer than its `timeoutMs`, the worker stops, or another worker owns
   * the partition by now. Hand it to what the function waits for, so that it ends too.
   */
  readonly signal: AbortSignal;
}

/** What a pipeline does with each value, or with the values of a key. */
export type StagePlan =
  | { readonly kind: "filter"; readonly name: string; readonly keep: Callback<[value: unknown], boolean> }
  | {
      readonly kind: "map";
      readonly name: string;
      readonly transform: Callback<[value: unknown, call: StageCall], unknown>;
      readonly guards: GuardsPlan | undefined;
    }
  | {
      readonly kind: "flatMap";
      readonly name: string;
      readonly transform: Callback<[value: unknown, call: StageCall], unknown>;
      readonly guards: GuardsPlan | undefined;
    }
  | EnrichPlan
  | FoldPlan
  | WindowPlan
  | JoinPlan
  | DedupePlan;

/** Puts together a value and what is found under its key. What was found is kept for a while, for all values of the key. */
export interface EnrichPlan {
  readonly kind: "enrich";
  readonly name: string;
  readonly key: Callback<[value: unknown], string>;
  readonly look: (key: string, call: StageCall) => unknown;
  readonly combine: Callback<[value: unknown, found: unknown], unknown>;
  readonly cache: CachePlan;
  /** They protect `look`. */
  readonly guards: GuardsPlan | undefined;
}

/** What is kept of what was found elsewhere. */
export interface CachePlan {
  /** Answers that a process keeps, at most: the one that was not asked for longest goes. */
  readonly maxEntries: number;
  /** How long an answer is used, milliseconds. */
  readonly ttlMs: number;
}

/** When a timer fires: at a time, or so long after the state was moved on, by the clock. */
export type TimerSetting = Omit<Timer, "fired"> | { readonly clock: "processing"; readonly afterMs: number };

/** What a fold keeps of each key, by name: declared once for the fold that writes it and for whoever reads it. */
export interface StatePlan {
  readonly kind: "state";
  /** The name of the fold. */
  readonly name: string;
  readonly pipeline: string;
}

/** Keyed state: `decide` looks at the state and the value, `evolve` moves the state on by what was decided. Both are pure. */
export interface FoldPlan {
  readonly kind: "fold";
  readonly name: string;
  readonly key: Callback<[value: unknown], string>;
  readonly initial: unknown;
  readonly decide: Callback<[state: unknown, value: unknown], readonly unknown[] | Dropped | DeadLettered>;
  /** `null` forgets the state. */
  readonly evolve: Callback<[state: unknown, decided: unknown], unknown>;
  /** The timers that a state asks for, by their names. */
  readonly timers: Callback<[state: unknown], Readonly<Record<string, TimerSetting>>> | undefined;
  /** What follows from a timer: values as `decide` makes them. */
  readonly onTimer:
    | Callback<[state: unknown, timer: { readonly name: string; readonly at: Date }], readonly unknown[]>
    | undefined;
  /** How much older than the newest event an event may be before timers of event time fire, milliseconds. */
  readonly allowedLatenessMs: number;
  /** A state that nothing has touched for so long is forgotten, milliseconds of processing time. */
  readonly ttlMs: number | undefined;
  readonly schema: StandardSchemaV1 | undefined;
  /** The version of the states' form. */
  readonly version: number;
  /** Brings a state of an older version to the present one. */
  readonly migrate: ((state: unknown, version: number) => unknown) | undefined;
}

/** Pairs values of two sides of a key: the right one's time lies from `beforeMs` before to `afterMs` after the left one's. */
export interface JoinPlan {
  readonly kind: "join";
  readonly name: string;
  readonly key: Callback<[value: unknown], string>;
  /** What is kept of a value of that side, as JSON; `undefined` for a value that is not of it. */
  readonly left: Callback<[value: unknown], unknown>;
  readonly right: Callback<[value: unknown], unknown>;
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly allowedLatenessMs: number;
}

/** Lets each event id through once, as long as it is remembered. */
export interface DedupePlan {
  readonly kind: "dedupe";
  readonly name: string;
  /** How long an id is remembered at least, milliseconds. */
  readonly horizonMs: number;
}

/** Values of a key by event time. A window is final once the watermark has passed its end, and then takes nothing more. */
export interface WindowPlan {
  readonly kind: "window";
  readonly name: string;
  readonly key: Callback<[value: unknown], string>;
  readonly shape: WindowShape;
  /** How much older than the newest event an event may be and still be taken, milliseconds. */
  readonly allowedLatenessMs: number;
  /** A result each time that a window has changed, beside the final one. */
  readonly early: boolean;
  readonly aggregators: Readonly<Record<string, AggregatorPlan>>;
  /** Where values go that came too late; the dead letters keep them where there is none. */
  readonly late: LatePlan | undefined;
}

/** The stream of values that came too late, and what event each becomes. */
export interface LatePlan {
  readonly stream: StreamPlan;
  readonly toEvent: Callback<[value: unknown], unknown>;
}
