import type { JoinPlan } from "../plan/plan.ts";
import { inTurn } from "./each.ts";
import { passOn } from "./failures.ts";
import type { KeyedStage, Outcomes, Run, StateAndTimers } from "./run.ts";

type Waiting = readonly [time: number, id: string, value: unknown];

interface JoinState {
  readonly left: readonly Waiting[];
  readonly right: readonly Waiting[];
}

type JoinSide = keyof JoinState;

const none: JoinState = { left: [], right: [] };
/** The timer of a key: it fires when the first value that waits can get no partner any more. */
const parting = "part";

/**
 * Pairs the values of both sides of a key whose times lie near enough to each other: each pair once, whichever came first. A value
 * waits in the state until the watermark says that no partner can come any more.
 */
export function join(plan: JoinPlan, { next, behindMs }: { readonly next: Run; readonly behindMs: number }): KeyedStage {
  const { name, beforeMs, afterMs, key: keyOf } = plan;
  const waitsMs = behindMs + plan.allowedLatenessMs;
  /** How long after its own time a value of a side may get a partner. */
  const reachMs = { left: afterMs, right: beforeMs } as const;

  return {
    name,
    keyOf,
    run(value, outcomes, known) {
      const left = plan.left(value);
      const right = left === undefined ? plan.right(value) : undefined;
      if (left === undefined && right === undefined) return outcomes.drop(name);
      const key = known ?? keyOf(value);
      const arrival = { key, side: left === undefined ? "right" : "left", part: left ?? right, outcomes } as const;
      const held = outcomes.states.get(name, key);
      return held instanceof Promise ? held.then((fetched) => meet(fetched, arrival)) : meet(held, arrival);
    },
    fire({ key, at }, outcomes) {
      const held = outcomes.states.get(name, key);
      const part = (known: StateAndTimers | undefined) => {
        if (known) keep(stillWaiting(known.state as JoinState, at - waitsMs), { key, outcomes });
      };
      return held instanceof Promise ? held.then(part) : part(held);
    },
  };

  function meet(
    held: StateAndTimers | undefined,
    arrival: { readonly key: string; readonly side: JoinSide; readonly part: unknown; readonly outcomes: Outcomes },
  ): void | Promise<void> {
    const { key, side, part, outcomes } = arrival;
    const { moment } = outcomes;
    const watermark = outcomes.watermark - waitsMs;
    if (moment.time + reachMs[side] < watermark) return outcomes.late(name, part);
    const state = stillWaiting((held?.state as JoinState | undefined) ?? none, watermark);
    if (state[side].some(([, id]) => id === moment.id)) return outcomes.duplicate();
    const own: Waiting = [moment.time, moment.id, part];
    keep({ ...state, [side]: [...state[side], own] }, { key, outcomes });
    outcomes.keep();
    const pairWith = (other: Waiting) => (side === "left" ? ([own, other] as const) : ([other, own] as const));
    return inTurn(state[side === "left" ? "right" : "left"].map(pairWith), ([left, right]) => {
      const apartMs = right[0] - left[0];
      if (apartMs < -beforeMs || apartMs > afterMs) return;
      const caused = outcomes.completed(`${name}\n${left[1]}\n${right[1]}`, Math.max(left[0], right[0]));
      return passOn(next, { key, left: dated(left), right: dated(right) }, caused);
    });
  }

  function stillWaiting(state: JoinState, watermark: number): JoinState {
    const waits = (side: JoinSide) => state[side].filter(([time]) => time + reachMs[side] >= watermark);
    return { left: waits("left"), right: waits("right") };
  }

  function keep(state: JoinState, { key, outcomes }: { readonly key: string; readonly outcomes: Outcomes }): void {
    const ends = (["left", "right"] as const).flatMap((side) => state[side].map(([time]) => time + reachMs[side]));
    if (ends.length === 0) return outcomes.states.set(name, key, undefined);
    const at = Math.min(...ends) + 1 + waitsMs;
    outcomes.states.set(name, key, { state, timers: { [parting]: { clock: "event", at } } });
  }
}

const dated = ([time, , value]: Waiting) => ({ time: new Date(time), value });
