import { TerminalError } from "../core/errors.ts";
import type { FoldPlan } from "../plan/plan.ts";
import type { Timer, Timers } from "../plan/timer.ts";
import { each } from "./each.ts";
import { passOn } from "./failures.ts";
import type { FiredTimer, KeyedStage, Outcomes, Run, StateAndTimers } from "./run.ts";

/** The state behind what was decided; null where it is to be forgotten. @throws TerminalError where `evolve` returns nothing */
export function evolved(plan: Pick<FoldPlan, "name" | "evolve">, before: unknown, decided: readonly unknown[]): unknown {
  const state = decided.reduce((state, one) => plan.evolve(state, one), before);
  if (state !== undefined) return state;
  throw new TerminalError("stage.result", `fold '${plan.name}': evolve returned no state`, {
    hint: "Return the new state on every path, or null to forget it.",
  });
}

const noTimers: Timers = {};

/** The timer that forgets a state which nothing has touched for long. */
const forgetting = "forget";

/**
 * Keeps a state for each key: `decide` says what follows from a value, `onTimer` what follows from a timer, and `evolve` moves the
 * state on by either. The timers of a key are those that its state asks for.
 *
 * `behindMs`: how far the watermark of this stage lies behind that of the source, by what the stages before it wait for.
 */
export function fold(plan: FoldPlan, { next, behindMs }: { readonly next: Run; readonly behindMs: number }): KeyedStage {
  const { name, initial, ttlMs, key: keyOf, decide, timers: timersOf, onTimer } = plan;
  const waitsMs = behindMs + plan.allowedLatenessMs;

  return {
    name,
    keyOf,
    run(value, outcomes, key = keyOf(value)) {
      const given = { key, value, outcomes };
      const held = outcomes.states.get(name, key);
      return held instanceof Promise ? held.then((fetched) => take(fetched, given)) : take(held, given);
    },
    fire(given, outcomes) {
      return withHeld(given.key, outcomes, (held) => fireTimer(given, held, outcomes));
    },
  };

  function withHeld(
    key: string,
    { states }: Outcomes,
    go: (held: StateAndTimers | undefined) => void | Promise<void>,
  ): void | Promise<void> {
    const held = states.get(name, key);
    return held instanceof Promise ? held.then(go) : go(held);
  }

  /** Timers that were due before a value fire before it, also those that have not fired by themselves yet. */
  function take(
    held: StateAndTimers | undefined,
    given: { readonly key: string; readonly value: unknown; readonly outcomes: Outcomes },
  ): void | Promise<void> {
    const { key, outcomes } = given;
    const due = held && earliestDue(held.timers, outcomes.watermark);
    if (!due) return step(held, given);
    const again = () => withHeld(key, outcomes, (now) => take(now, given));
    const firing = fireTimer({ key, ...due }, held, outcomes);
    return firing ? firing.then(again) : again();
  }

  function step(
    held: StateAndTimers | undefined,
    { key, value, outcomes }: { readonly key: string; readonly value: unknown; readonly outcomes: Outcomes },
  ): void | Promise<void> {
    const decided = decide(held === undefined ? initial : held.state, value);
    if ("kind" in decided) {
      if (decided.kind === "dropped") return outcomes.drop(decided.reason);
      return outcomes.deadLetter({ stage: name, reason: decided.reason, error: decided.reason, value });
    }
    move(held, { key, decided, outcomes });
    if (decided.length === 0) return outcomes.drop(name);
    return each(decided, next, outcomes);
  }

  /** What follows from a timer. One that was set otherwise meanwhile does nothing. */
  function fireTimer({ key, timer, at }: FiredTimer, held: StateAndTimers | undefined, outcomes: Outcomes): void | Promise<void> {
    const set = held?.timers[timer];
    if (!held || !set || set.at !== at || set.fired) return;
    if (timer === forgetting) return outcomes.states.set(name, key, undefined);
    const time = set.clock === "event" ? at - waitsMs : at;
    const decided = onTimer?.(held.state, { name: timer, at: new Date(time) }) ?? [];
    move({ state: held.state, timers: { ...held.timers, [timer]: { ...set, fired: true } } }, { key, decided, outcomes });
    const caused = outcomes.caused(`${name}\n${key}\n${timer}\n${at}`, time);
    return each(decided, (one) => passOn(next, one, caused), caused);
  }

  function move(
    held: StateAndTimers | undefined,
    { key, decided, outcomes }: { readonly key: string; readonly decided: readonly unknown[]; readonly outcomes: Outcomes },
  ): void {
    const { states } = outcomes;
    const state = evolved(plan, held === undefined ? initial : held.state, decided);
    if (state === null) return states.set(name, key, undefined);
    states.set(name, key, { state, timers: timersAfter(state, held?.timers ?? {}, states.now) });
  }

  /** The timers that a state asks for. One that has fired for the same time stays silent. */
  function timersAfter(state: unknown, before: Timers, now: number): Timers {
    if (!timersOf && ttlMs === undefined) return noTimers;
    const timers: Record<string, Timer> = {};
    for (const [timer, setting] of Object.entries(timersOf?.(state) ?? {})) {
      const { clock } = setting;
      const at = "afterMs" in setting ? now + setting.afterMs : setting.at;
      const set: Timer = { clock, at: clock === "event" ? at + waitsMs : at };
      timers[timer] = before[timer]?.fired && before[timer].at === set.at ? before[timer] : set;
    }
    if (ttlMs === undefined) return timers;
    const forgets = before[forgetting];
    // Moved no more often than in steps of a tenth: each move is a write of its own.
    const isFresh = forgets !== undefined && forgets.at > now + ttlMs * 0.9;
    timers[forgetting] = isFresh ? forgets : { clock: "processing", at: now + ttlMs };
    return timers;
  }

  function earliestDue(timers: Timers, watermark: number): Omit<FiredTimer, "key"> | undefined {
    let due: Omit<FiredTimer, "key"> | undefined;
    for (const [timer, { clock, at, fired }] of Object.entries(timers)) {
      if (clock === "event" && !fired && at <= watermark && (!due || at < due.at)) due = { timer, at };
    }
    return due;
  }
}
