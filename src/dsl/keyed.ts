import type { StandardSchemaV1 } from "@standard-schema/spec";
import { days } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import type { Callback } from "../plan/callback.ts";
import type { DeadLettered, DedupePlan, Dropped, FoldPlan, JoinPlan, StreamPlan } from "../plan/plan.ts";
import type { LatePlan, TimerSetting, WindowPlan } from "../plan/stage.ts";
import type { WindowResult } from "../plan/window.ts";
import type { Aggregator } from "./aggregators/aggregator.ts";
import { callback, checkOptions, count, duration, interval, needed, type OptionsShape, optional } from "./check-options.ts";
import type { WindowSpec } from "./window.ts";

/**
 * When a timer of a key fires: by event time when the watermark reaches it, by processing time when the clock does. `afterMs`: so long after
 * the state was moved on, by our clock, whatever time the event says. It is the one for silence: a device whose clock is ahead would put off
 * a timer that is set by its events' times, and others whose clocks are right fire no sooner for it.
 */
export type TimerOf =
  | {
      /** By which clock it fires. */
      readonly clock: "event" | "processing";
      /** When it fires. */
      readonly at: Date;
      /** Not beside `at`; milliseconds where it stands alone. */
      readonly afterMs?: never;
    }
  | {
      /** The clock of Redis. */
      readonly clock: "processing";
      /** How long after the state was moved on it fires, milliseconds. */
      readonly afterMs: number;
      /** Not beside `afterMs`. */
      readonly at?: never;
    };

/** How a fold keeps the state of each key. All functions are pure. */
export interface KeyedFoldOptions<in T, in out State, in out Decided> {
  /** The state of a key that has none yet. States are kept as JSON. */
  readonly initial: State;
  /** What follows from the value, seen the state: values that go on, or a reason to end here. */
  readonly decide: (state: State, value: T) => readonly Decided[] | Dropped | DeadLettered;
  /** The state after a decided value; `null` forgets it. */
  readonly evolve: (state: State, decided: Decided) => State | null;
  /** The timers that the state asks for, by their names. A timer fires once for each time that it is set to. @default none */
  readonly timers?: (state: State) => Readonly<Record<string, TimerOf>>;
  /** What follows from a timer, as from a value; `evolve` moves the state on by it. @default nothing */
  readonly onTimer?: (state: State, timer: { readonly name: string; readonly at: Date }) => readonly Decided[];
  /** How much older than the newest event an event may be before timers of event time fire, milliseconds. @default 0 */
  readonly allowedLatenessMs?: number;
  /** A state that nothing has touched for so long is forgotten, milliseconds of processing time. @default kept for ever */
  readonly ttlMs?: number;
  /** What a state looks like. States that were stored are checked by it when they are read. @default not checked */
  readonly state?: StandardSchemaV1<unknown, State>;
  /** The version of the states' form; raise it when that changes, and say in `migrate` what becomes of older ones. @default 1 */
  readonly version?: number;
  /** Brings a state of an older version to the present one. @default states of another version are refused */
  readonly migrate?: (state: unknown, version: number) => State;
}

/** How a fold keeps the state of each key, and what the key is. */
export interface FoldOptions<in T, in out State, in out Decided> extends KeyedFoldOptions<T, State, Decided> {
  /** Whose state it is. Use the stream's partition key, or a finer one. */
  readonly key: (value: T) => string;
}

/** How values of two sides of a key are paired. What is kept of each is JSON. */
export interface JoinOptions<in T, out Left, out Right> {
  /** What is kept of a value of the left side; `undefined` for another one. */
  readonly left: (value: T) => Left | undefined;
  /** What is kept of a value of the right side; `undefined` for another one. A value is of one side at most. */
  readonly right: (value: T) => Right | undefined;
  /** How far the right one's time may lie before the left one's, milliseconds. */
  readonly beforeMs: number;
  /** How far the right one's time may lie after the left one's, milliseconds. */
  readonly afterMs: number;
  /** How much older than the newest event an event may be and still find its partners, milliseconds. @default 0 */
  readonly allowedLatenessMs?: number;
}

/** Two values that belong together. */
export interface Joined<out Left, out Right> {
  /** The key of both. */
  readonly key: string;
  /** The value of the left side, and the time of its event. */
  readonly left: { readonly time: Date; readonly value: Left };
  /** The value of the right side, and the time of its event. */
  readonly right: { readonly time: Date; readonly value: Right };
}

/** What a window hands on: `values` by the names of the aggregators. */
export interface WindowOf<out Values> extends Omit<WindowResult, "values"> {
  /** The results, by the names of the aggregators. */
  readonly values: Values;
}

/** What aggregators make, by their names. */
export type ResultsOf<Aggregators> = {
  readonly [Name in keyof Aggregators]: Aggregators[Name] extends Aggregator<never, infer Result> ? Result : never;
};

type Key = Callback<[value: unknown], string>;

/** A fold's options, of whatever types. */
export interface FoldDraft extends Pick<FoldPlan, "key" | "initial" | "decide" | "evolve"> {
  readonly timers?: Callback<[state: unknown], Readonly<Record<string, TimerOf>>>;
  readonly onTimer?: NonNullable<FoldPlan["onTimer"]>;
  readonly allowedLatenessMs?: number;
  readonly ttlMs?: number;
  readonly state?: StandardSchemaV1;
  readonly version?: number;
  readonly migrate?: NonNullable<FoldPlan["migrate"]>;
}

const foldShape: OptionsShape = {
  key: optional(callback),
  initial: needed,
  decide: callback,
  evolve: callback,
  timers: optional(callback),
  onTimer: optional(callback),
  allowedLatenessMs: optional(interval),
  ttlMs: optional(duration),
  state: optional(needed),
  version: optional(count),
  migrate: optional(callback),
};

/** @throws ConfigError when an option is unknown or out of range */
export function foldPlan(where: string, name: string, options: FoldDraft): FoldPlan {
  check(where, options, foldShape);
  const { key, initial, decide, evolve, timers, onTimer, allowedLatenessMs = 0, ttlMs, state, version = 1, migrate } = options;
  if (onTimer && !timers)
    throw new ConfigError("config.invalid", `${where}: onTimer has no timers`, {
      hint: "Give timers: (state) => ({ name: { clock, at } }).",
    });
  return {
    kind: "fold",
    name,
    key,
    initial,
    decide,
    evolve,
    timers: timers && ((state) => inMs(timers(state))),
    onTimer,
    allowedLatenessMs,
    ttlMs,
    schema: state,
    version,
    migrate,
  };
}

/** @throws ConfigError when an option is unknown or out of range */
export function joinPlan(
  where: string,
  name: string,
  options: JoinOptions<never, unknown, unknown> & { readonly key: Key },
): JoinPlan {
  check(where, options, {
    key: callback,
    left: callback,
    right: callback,
    beforeMs: interval,
    afterMs: interval,
    allowedLatenessMs: optional(interval),
  });
  return { kind: "join", name, allowedLatenessMs: 0, ...options };
}

/** @throws ConfigError when there is no aggregator, or one is something else */
export function windowPlan(
  where: string,
  {
    key,
    spec,
    late,
    aggregators,
  }: {
    readonly key: Key;
    readonly spec: WindowSpec;
    readonly late: WindowPlan["late"];
    readonly aggregators: Readonly<Record<string, Aggregator<never, unknown>>>;
  },
): WindowPlan {
  const entries = Object.entries(aggregators);
  const wrong = entries.find(([, aggregator]) => aggregator?.plan === undefined);
  if (entries.length === 0 || wrong)
    throw new ConfigError(
      "config.invalid",
      wrong ? `${where}: '${wrong[0]}' is no aggregator` : `${where}: it aggregates nothing`,
      {
        hint: "Give aggregators by name, such as { failures: count() }.",
      },
    );
  const plans = Object.fromEntries(entries.map(([name, { plan }]) => [name, plan]));
  return { kind: "window", ...spec.plan, key, aggregators: plans, late };
}

/** @throws ConfigError when an option is unknown or out of range */
export function dedupePlan(where: string, name: string, { horizonMs = days(1) }: { readonly horizonMs?: number }): DedupePlan {
  check(where, { horizonMs }, { horizonMs: duration });
  return { kind: "dedupe", name, horizonMs };
}

export const latePlan = (stream: StreamPlan, toEvent: LatePlan["toEvent"]): WindowPlan["late"] => ({ stream, toEvent });

function inMs(timers: Readonly<Record<string, TimerOf>>): Readonly<Record<string, TimerSetting>> {
  return Object.fromEntries(
    Object.entries(timers).map(([name, timer]) => [
      name,
      timer.at ? { clock: timer.clock, at: timer.at.getTime() } : { clock: "processing", afterMs: timer.afterMs },
    ]),
  );
}

/** Checks the options of a stage as those of one object, so that each that is needed is asked for. */
const check = (where: string, options: object, shape: OptionsShape): void =>
  checkOptions(where, { options }, { options: { of: shape } });
