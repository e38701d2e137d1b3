import { at } from "../../core/at.ts";
import type { Timer } from "../../plan/timer.ts";
import { isUnreadable, setAside } from "../../stages/failures.ts";
import type { KeyedStage } from "../../stages/run.ts";
import type { KeyedState } from "../../state/keyed-state.ts";
import { type StateDraft, splitMember } from "../../state/state-draft.ts";
import type { QueuedTimer } from "../../state/timer-queue.ts";
import { CausedOutcomes } from "./caused-outcomes.ts";
import { clocks, type Until } from "./due-timers.ts";
import type { BatchResults, SectionValue } from "./results.ts";

/** Timers of a stage that fire at once. */
const maxFired = 1_000;

interface SectionContext {
  readonly results: BatchResults;
  readonly state: KeyedState;
  readonly states: StateDraft;
  readonly until: Until;
}

export type SectionEnd =
  | { readonly kind: "through"; readonly flow: readonly SectionValue[] }
  /** The states are half changed: the batch has to be taken again, with a copy of them for each event. */
  | { readonly kind: "start-over" };

/**
 * Takes a flow of values through a stage that keeps state, in their order. Before each the timers fire that its time has made due: what
 * comes out does not depend on how events were cut into batches.
 */
export class KeyedSection {
  readonly #stage: KeyedStage;
  readonly #context: SectionContext;
  #left = maxFired;

  constructor(stage: KeyedStage, context: SectionContext) {
    this.#stage = stage;
    this.#context = context;
  }

  async take(flow: readonly SectionValue[]): Promise<SectionEnd> {
    const { results, state, states, until } = this.#context;
    const keys = await this.#prefetch(flow);
    const timers = state.queue(this.#stage.name, "event");
    for (let i = 0; i < flow.length; i++) {
      const current = at(flow, i);
      // Hardly any event makes a timer fire: the others are not to wait for a turn of the loop.
      const next = timers.next();
      if (next && next.at <= current.outcomes.watermark) await this.#fireAll("event", current.outcomes.watermark);
      const pending = states.mustStartOver ? undefined : this.#run(current, keys[i]);
      if (pending) await pending;
      if (states.mustStartOver) return { kind: "start-over" };
    }
    for (const clock of clocks) await this.#fireAll(clock, until[clock]);
    return states.mustStartOver ? { kind: "start-over" } : { kind: "through", flow: results.takePassed() };
  }

  #run({ value, outcomes, key }: SectionValue, own: string | undefined): void | Promise<void> {
    this.#context.results.key = own ?? key;
    const failed = (error: unknown) => {
      if (!this.#context.states.mustStartOver) setAside(outcomes, error, value);
    };
    try {
      return this.#stage.run(value, outcomes, own)?.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  async #fireAll(clock: Timer["clock"], time: number): Promise<void> {
    const { state, states } = this.#context;
    const queue = state.queue(this.#stage.name, clock);
    for (let due = queue.next(); due && due.at <= time && this.#left-- > 0; due = queue.next()) {
      const fired = await this.#fire(due);
      if (states.mustStartOver) return;
      // A timer whose state cannot be read stays in the store, and fires for the next owner: somebody may have repaired the state by then.
      if (fired === "kept") queue.set(due.member, undefined);
      else if (isSame(queue.next(), due)) states.silence(this.#stage.name, clock, due.member);
    }
  }

  async #fire({ member, at: time }: QueuedTimer): Promise<"fired" | "kept"> {
    const { results } = this.#context;
    const { name } = this.#stage;
    const { timer, key } = splitMember(member);
    results.key = key;
    const outcomes = new CausedOutcomes(results, { cause: `${name}\n${member}\n${time}`, time, watermark: time });
    try {
      const pending = this.#stage.fire({ key, timer, at: time }, outcomes);
      if (pending) await pending;
    } catch (error) {
      if (this.#context.states.mustStartOver) return "fired";
      if (isUnreadable(error)) return "kept";
      setAside(outcomes, error, { stage: name, key, timer, at: new Date(time) });
    }
    return "fired";
  }

  /**
   * Fetches the states that the section will look at. Resolves with the keys of the values, where they have some. A key function that
   * throws is met again, and reported, when the value is taken.
   */
  async #prefetch(flow: readonly SectionValue[]): Promise<readonly (string | undefined)[]> {
    const { state, states, until } = this.#context;
    const { name, keyOf } = this.#stage;
    if (!keyOf) {
      const moments = flow.map(({ outcomes }) => outcomes.moment);
      await states.askIds(name, moments);
      return [];
    }
    const keys = flow.map(({ value }) => {
      try {
        return keyOf(value);
      } catch {
        return undefined;
      }
    });
    const firing = clocks.flatMap((clock) =>
      state
        .queue(name, clock)
        .due(until[clock], maxFired)
        .map(({ member }) => splitMember(member).key),
    );
    await states.prefetch(name, [...keys, ...firing]);
    return keys;
  }
}

const isSame = (one: QueuedTimer | undefined, other: QueuedTimer): boolean => one?.member === other.member && one.at === other.at;
