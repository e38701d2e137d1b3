import { lateDestination } from "../plan/plan.ts";
import type { WindowPlan } from "../plan/stage.ts";
import type { WindowResult, WindowShape } from "../plan/window.ts";
import { type Aggregation, createAggregation } from "./aggregation.ts";
import { alignedWindows } from "./aligned-windows.ts";
import { dayWindows } from "./day-windows.ts";
import { each, inTurn } from "./each.ts";
import { passOn } from "./failures.ts";
import type { KeyedStage, Outcomes, Run, StateAndTimers } from "./run.ts";
import { sessionWindows } from "./session-windows.ts";
import type { Added, Pane, Windows } from "./windows.ts";

/** The timer of a key: it fires when its next window closes, or earlier, and is set again then. */
const closing = "close";

interface Taking {
  readonly key: string;
  readonly value: unknown;
  readonly outcomes: Outcomes;
}

/**
 * Gathers values by key and event time. What is late, and what a window holds, follows from the values before in the log and
 * nothing else: neither from how they were cut into reads nor from when a timer fired.
 *
 * `behindMs`: how far the watermark of this stage lies behind that of the source, by what the stages before it wait for.
 */
export function window(plan: WindowPlan, { next, behindMs }: { readonly next: Run; readonly behindMs: number }): KeyedStage {
  const { name, shape, early, late, key: keyOf } = plan;
  const toLateEvent = late?.toEvent;
  const aggregation = createAggregation(plan.aggregators);
  const windows: Windows<unknown> = windowsOf(shape, aggregation);
  const waitsMs = behindMs + plan.allowedLatenessMs;

  return {
    name,
    keyOf,
    run(value, outcomes, key = keyOf(value)) {
      const taking = { key, value, outcomes };
      const held = outcomes.states.own(name, key, windows.copy);
      return held instanceof Promise ? held.then((fetched) => take(fetched, taking)) : take(held, taking);
    },
    fire({ key, at }, outcomes) {
      const held = outcomes.states.own(name, key, windows.copy);
      return held instanceof Promise ? held.then((fetched) => close(fetched)) : close(held);

      function close(known: StateAndTimers | undefined): void | Promise<void> {
        if (!known) return;
        const closed = windows.close(known.state, at - waitsMs);
        keep({ state: known.state, timers: {} }, key, outcomes);
        return finishAll(closed, key, outcomes);
      }
    },
  };

  function take(known: StateAndTimers | undefined, { key, value, outcomes }: Taking): void | Promise<void> {
    const watermark = outcomes.watermark - waitsMs;
    const held = known ?? { state: windows.init(watermark), timers: {} };
    const closed = windows.close(held.state, watermark);
    const added = tryAdd(held.state, { value, outcomes, watermark });
    keep(held, key, outcomes);
    if (added.kind === "late")
      outcomes.late(name, value, toLateEvent && { destination: lateDestination(name), row: toLateEvent(value) });
    else outcomes.keep();
    const results = early && added.kind === "added" ? earlyResults(held.state, key, added) : [];
    if (closed.length === 0 && results.length === 0) return;
    const finishing = finishAll(closed, key, outcomes);
    return finishing ? finishing.then(() => each(results, next, outcomes)) : each(results, next, outcomes);
  }

  function tryAdd(
    state: unknown,
    { value, outcomes, watermark }: { readonly value: unknown; readonly outcomes: Outcomes; readonly watermark: number },
  ): Added {
    try {
      return windows.add(state, value, outcomes.moment, watermark);
    } catch (error) {
      // Some of the aggregators may have taken the value.
      outcomes.states.startOver();
      throw error;
    }
  }

  function earlyResults(
    state: unknown,
    key: string,
    { retracted, at }: Extract<Added, { kind: "added" }>,
  ): readonly WindowResult[] {
    return [
      ...retracted.map((pane) => resultOf(pane, key, "retracted")),
      ...windows.changed(state, at).map((pane) => resultOf(pane, key, "early")),
    ];
  }

  /** Writes the state down, and the time at which it has to be looked at again. */
  function keep({ state, timers }: StateAndTimers, key: string, { states }: Outcomes): void {
    const closesAt = windows.closesAt(state);
    if (closesAt === undefined) return states.set(name, key, undefined);
    const at = closesAt + waitsMs;
    const set = timers[closing];
    // One that fires too early is set again then: sessions would move theirs with each event.
    const isInTime = set !== undefined && !set.fired && set.at <= at;
    states.set(name, key, { state, timers: isInTime ? timers : { [closing]: { clock: "event", at } } });
  }

  function finishAll(panes: readonly Pane[], key: string, outcomes: Outcomes): void | Promise<void> {
    return inTurn(panes, (pane) => finish(pane, key, outcomes));
  }

  function finish(pane: Pane, key: string, outcomes: Outcomes): void | Promise<void> {
    return passOn(next, resultOf(pane, key, "final"), outcomes.caused(`${name}\n${key}\n${pane.start}`, pane.lastTime));
  }

  function resultOf({ start, end, gathered }: Pane, key: string, pane: WindowResult["pane"]): WindowResult {
    return { key, start: new Date(start), end: new Date(end), values: aggregation.result(gathered), pane };
  }
}

function windowsOf(shape: WindowShape, aggregation: Aggregation) {
  switch (shape.kind) {
    case "aligned":
      return alignedWindows(shape, aggregation);
    case "day":
      return dayWindows(shape, aggregation);
    case "session":
      return sessionWindows(shape, aggregation);
    default:
      return shape satisfies never;
  }
}
