import type { Envelope } from "../bus/envelope.ts";
import type { Partition } from "../bus/partition.ts";
import type { Entry } from "../bus/port.ts";
import type { PipelinePlan, StreamPlan } from "../plan/plan.ts";
import type { Timer } from "../plan/timer.ts";
import { isRefusal } from "../stages/admit.ts";
import { compileFlow, type Item, type Section } from "../stages/flow.ts";
import { setAside } from "../stages/pursue.ts";
import type { KeyedStage } from "../stages/run.ts";
import type { KeyedState } from "../state/keyed-state.ts";
import { nameOf } from "../state/names.ts";
import { StartOver, type StateDraft, splitMember } from "../state/state-draft.ts";
import type { TimerQueue } from "../state/timer-queue.ts";
import { CausedOutcomes } from "./caused-outcomes.ts";
import { Chunk } from "./chunk.ts";
import { EventOutcomes } from "./event-outcomes.ts";
import { type Fill, type Filled, streamsOf } from "./fill.ts";
import { compileGate, openEntries } from "./open-entries.ts";

export interface KeyedFillContext {
  readonly state: KeyedState;
  /** Ends waiting: what waits is left to the next owner. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Resolves when everything before is committed. */
  readonly idle: () => Promise<void>;
}

/** Takes the entries of one read, none perhaps, and the timers that are due, through the stages. */
export type KeyedFill = Fill<KeyedFillContext>;

/** Timers of a stage that ring in one read. */
const maxRings = 1_000;

/**
 * Compiles what a pipeline with keyed state does with the entries of one partition. Events go through one section of stages after
 * another, each section in their order: so the states of all of them are fetched in one call. Before each event the timers ring
 * that its time has made due: what comes out does not depend on how events were cut into reads.
 *
 * A bad entry or event becomes a dead letter with its reason. A read is tried again as a whole: what an event does to a state must not
 * be done twice. What rejects is a RetryableError, or a ConfigError (the pipeline stops).
 */
export function compileKeyedFill(pipeline: PipelinePlan, stream: StreamPlan, partition: Partition): KeyedFill {
  const admit = compileGate(stream);
  const sections = compileFlow(pipeline);
  const derives = streamsOf(pipeline);

  return async (entries, context) => {
    const { state } = context;
    await state.open();
    try {
      return await fill(entries, context, state.draft());
    } catch (error) {
      if (!(error instanceof StartOver)) throw error;
      return await fill(entries, context, state.draft(true));
    }
  };

  async function fill(entries: readonly Entry[], context: KeyedFillContext, states: StateDraft): Promise<Filled> {
    const { state, now, idle } = context;
    for (const section of sections) section.take();
    const chunk = new Chunk(pipeline.name, derives, states);
    const { watermark } = state;
    const all: EventOutcomes[] = [];
    let flow: readonly Item[] = openEntries(partition, entries, chunk).flatMap(({ envelopes, producer, storedAt }) => {
      const items: Item[] = [];
      for (let k = 0; k < envelopes.length; k++) {
        const envelope = envelopes.at(k) as Envelope;
        const event = admit(envelope, now);
        const outcomes = new EventOutcomes(chunk);
        all.push(outcomes);
        if (!isRefusal(event)) {
          // Ids of another program's entries may be no times.
          watermark.advance({ producer, time: envelope.time, storedAt: storedAt > 1e12 ? storedAt : now });
          items.push({ value: event, outcomes });
        }
        outcomes.begin(envelope, watermark.mark);
        if (isRefusal(event)) outcomes.deadLetter({ stage: "admit", ...event });
      }
      return items;
    });
    if (entries.length === 0) watermark.rest(now);
    const until = { event: watermark.mark, processing: now };
    await loadTimers(state, until, idle);
    for (const section of sections) flow = await through(section, flow, { chunk, states, until, state });
    for (const outcomes of all) outcomes.end();
    states.encode();
    return { chunk, late: [], moreDue: sections.some(({ keyed }) => keyed && isDue(keyed.name, { state, until })) };
  }
}

interface Passage {
  readonly chunk: Chunk;
  readonly state: KeyedState;
  readonly states: StateDraft;
  readonly until: Until;
}

/** Up to where timers of either clock are due. */
type Until = Readonly<Record<Timer["clock"], number>>;

const clocks = ["event", "processing"] as const;

async function through(section: Section, flow: readonly Item[], passage: Passage): Promise<readonly Item[]> {
  const { keyed, run } = section;
  const { state, states, until } = passage;
  if (keyed) await prefetch(keyed, flow, passage);
  const timers = keyed && state.queue(keyed.name, "event");
  let left = maxRings;
  for (const { value, outcomes } of flow) {
    // Hardly any event makes a timer ring: the others are not to wait for a turn of the loop.
    const next = timers?.next();
    if (next && next.at <= outcomes.watermark) await ring("event", outcomes.watermark);
    try {
      const pending = run(value, outcomes);
      if (pending) await pending;
    } catch (error) {
      if (error instanceof StartOver) throw error;
      setAside(outcomes, error, value);
    }
  }
  if (keyed) for (const clock of clocks) await ring(clock, until[clock]);
  return section.take();

  async function ring(clock: Timer["clock"], time: number): Promise<void> {
    const { name, fire } = keyed as KeyedStage;
    const queue = state.queue(name, clock);
    for (let due = queue.next(); due && due.at <= time && left-- > 0; due = queue.next()) {
      const { member, at } = due;
      const { timer, key } = splitMember(member);
      const outcomes = new CausedOutcomes(passage.chunk, { cause: `${name}\n${member}\n${at}`, time: at, watermark: at });
      try {
        const pending = fire({ key, timer, at }, outcomes);
        if (pending) await pending;
      } catch (error) {
        if (error instanceof StartOver) throw error;
        setAside(outcomes, error, { stage: name, key, timer, at: new Date(at) });
      }
      if (isSame(queue.next(), due)) states.silence(name, clock, member);
    }
  }
}

const isSame = (one: ReturnType<TimerQueue["next"]>, other: ReturnType<TimerQueue["next"]>): boolean =>
  one?.member === other?.member && one?.at === other?.at;

/** The states that the section will look at. A key function that throws is met again, and reported, when the value is taken. */
async function prefetch(keyed: KeyedStage, flow: readonly Item[], { state, states, until }: Passage): Promise<void> {
  const { name, keyOf } = keyed;
  if (!keyOf)
    return states.askIds(
      name,
      flow.map(({ outcomes }) => outcomes.moment),
    );
  const names = flow.flatMap(({ value }) => {
    try {
      return [nameOf(name, keyOf(value))];
    } catch {
      return [];
    }
  });
  for (const clock of clocks) {
    for (const { member } of state.queue(name, clock).due(until[clock], maxRings))
      names.push(nameOf(name, splitMember(member).key));
  }
  await states.prefetch(names);
}

/** Where memory holds no timer that is due, the store may. */
async function loadTimers(state: KeyedState, until: Until, idle: () => Promise<void>): Promise<void> {
  for (const stage of state.stages) {
    for (const clock of clocks) {
      const queue = state.queue(stage, clock);
      const next = queue.next();
      if (queue.horizon > until[clock] || (next && next.at <= until[clock])) continue;
      await idle();
      await state.load(stage, clock);
    }
  }
}

function isDue(stage: string, { state, until }: Pick<Passage, "state" | "until">): boolean {
  return clocks.some((clock) => {
    const queue = state.queue(stage, clock);
    const next = queue.next();
    return (next !== undefined && next.at <= until[clock]) || queue.horizon <= until[clock];
  });
}
