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
  /** Nothing is left to be read, so event time goes on by the clock. */
  readonly atRest: boolean;
  /** Resolves when everything before is committed. */
  readonly idle: () => Promise<void>;
}

export interface KeyedFillOptions {
  readonly pipeline: PipelinePlan;
  readonly stream: StreamPlan;
  readonly partition: Partition;
  /** Events that go through the stages together. */
  readonly portionEvents: number;
}

/** Takes the entries of one read, none perhaps, and the timers that are due, through the stages. */
export type KeyedFill = Fill<KeyedFillContext>;

/** Timers of a stage that ring at once. */
const maxRings = 1_000;
/** What a commit may carry of states where its entries can be divided, bytes. */
const maxCommitBytes = 16 * 1024 * 1024;

/**
 * Compiles what a pipeline with keyed state does with the entries of one partition. Events go through one section of stages after
 * another, each section in their order: so the states of all of them are fetched in one call. Before each event the timers ring
 * that its time has made due: what comes out does not depend on how events were cut into reads.
 *
 * It takes as many of the entries as one commit can carry. A bad entry or event becomes a dead letter with its reason. A read is tried
 * again as a whole: what an event does to a state must not
 * be done twice. What rejects is a RetryableError, or a ConfigError (the pipeline stops).
 */
export function compileKeyedFill({ pipeline, stream, partition, portionEvents }: KeyedFillOptions): KeyedFill {
  const admit = compileGate(stream);
  const sections = compileFlow(pipeline);
  const derives = streamsOf(pipeline);

  return async (entries, context) => {
    const { state } = context;
    await state.open();
    return takeSome(entries, context);
  };

  async function takeSome(entries: readonly Entry[], context: KeyedFillContext, careful = false): Promise<Filled> {
    const draft = context.state.draft(careful);
    try {
      return await fill(entries, context, draft);
    } catch (error) {
      await context.idle();
      context.state.forget(draft);
      if (error instanceof TooMuch) return takeSome(entries.slice(0, error.fits), context, careful);
      if (error instanceof StartOver) return takeSome(entries, context, true);
      throw error;
    }
  }

  async function fill(entries: readonly Entry[], context: KeyedFillContext, states: StateDraft): Promise<Filled> {
    const { state, now, atRest, idle } = context;
    for (const section of sections) section.take();
    const chunk = new Chunk(pipeline.name, { derives, states, signal: context.signal });
    let until: Until = { event: state.watermark.mark, processing: now };
    let taken = 0;
    for (const portion of inPortions(entries, portionEvents)) {
      const { events, items } = open(portion, { chunk, state, now });
      if (atRest) state.watermark.rest(now);
      until = { event: state.watermark.mark, processing: now };
      // What earlier portions have set is not in the store yet, and may lie where timers are fetched from.
      if (taken > 0 && mustLoad(state, until)) throw new TooMuch(taken);
      await loadTimers(state, until, idle);
      let flow: readonly Item[] = items;
      for (const section of sections) flow = await through(section, flow, { chunk, states, until, state });
      for (const outcomes of events) outcomes.end();
      taken += portion.length;
    }
    if (states.encode() > maxCommitBytes && entries.length > 1) throw new TooMuch(entries.length >> 1);
    return { chunk, late: [], moreDue: sections.some(({ keyed }) => keyed && isDue(keyed.name, { state, until })) };
  }

  /** The outcomes of all events in the entries, and the events that go through the stages. */
  function open(entries: readonly Entry[], { chunk, state: { watermark }, now }: Opening) {
    const events: EventOutcomes[] = [];
    const items: Item[] = [];
    for (const { envelopes, producer, storedAt } of openEntries(partition, entries, { chunk, now })) {
      for (let k = 0; k < envelopes.length; k++) {
        const envelope = envelopes.at(k) as Envelope;
        const event = admit(envelope, now);
        const outcomes = new EventOutcomes(chunk);
        events.push(outcomes);
        if (!isRefusal(event)) {
          watermark.advance({ producer, time: envelope.time, storedAt });
          items.push({ value: event, outcomes });
        }
        outcomes.begin(envelope, watermark.mark);
        if (isRefusal(event)) outcomes.deadLetter({ stage: "admit", ...event });
      }
    }
    return { events, items };
  }
}

/** Cuts a read up: objects of many events that are alive at once burden the garbage collector. */
function inPortions(entries: readonly Entry[], portionEvents: number): readonly (readonly Entry[])[] {
  const portions: Entry[][] = [];
  let events = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    if (events + entry.events > portionEvents) {
      portions.push([]);
      events = 0;
    }
    portions.at(-1)?.push(entry);
    events += entry.events;
  }
  return portions.length > 0 ? portions : [[]];
}

/** Only so many of the entries can go into one commit. */
class TooMuch extends Error {
  readonly fits: number;

  constructor(fits: number) {
    super();
    this.fits = fits;
  }
}

interface Opening {
  readonly chunk: Chunk;
  readonly state: KeyedState;
  readonly now: number;
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
  const keys = keyed && (await prefetch(keyed, flow, passage));
  const timers = keyed && state.queue(keyed.name, "event");
  let left = maxRings;
  for (let i = 0; i < flow.length; i++) {
    const { value, outcomes } = flow[i] as Item;
    // Hardly any event makes a timer ring: the others are not to wait for a turn of the loop.
    const next = timers?.next();
    if (next && next.at <= outcomes.watermark) await ring("event", outcomes.watermark);
    try {
      const pending = run(value, outcomes, keys?.[i]);
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

/**
 * Fetches the states that the section will look at. Resolves with the keys of the values, where they have some. A key function that
 * throws is met again, and reported, when the value is taken.
 */
async function prefetch(
  keyed: KeyedStage,
  flow: readonly Item[],
  { state, states, until }: Passage,
): Promise<readonly (string | undefined)[] | undefined> {
  const { name, keyOf } = keyed;
  if (!keyOf) {
    const moments = flow.map(({ outcomes }) => outcomes.moment);
    await states.askIds(name, moments);
    return undefined;
  }
  const keys = flow.map(({ value }) => {
    try {
      return keyOf(value);
    } catch {
      return undefined;
    }
  });
  const ringing = clocks.flatMap((clock) =>
    state
      .queue(name, clock)
      .due(until[clock], maxRings)
      .map(({ member }) => splitMember(member).key),
  );
  await states.prefetch(name, [...keys, ...ringing]);
  return keys;
}

/** Where memory holds no timer that is due, the store may. */
async function loadTimers(state: KeyedState, until: Until, idle: () => Promise<void>): Promise<void> {
  for (const stage of state.stages) {
    for (const clock of clocks) {
      if (!isMissing(state.queue(stage, clock), until[clock])) continue;
      await idle();
      await state.load(stage, clock);
    }
  }
}

const mustLoad = (state: KeyedState, until: Until): boolean =>
  state.stages.some((stage) => clocks.some((clock) => isMissing(state.queue(stage, clock), until[clock])));

function isMissing(queue: TimerQueue, until: number): boolean {
  if (queue.horizon > until) return false;
  const next = queue.next();
  return !next || next.at > until;
}

function isDue(stage: string, { state, until }: Pick<Passage, "state" | "until">): boolean {
  return clocks.some((clock) => {
    const queue = state.queue(stage, clock);
    const next = queue.next();
    return (next !== undefined && next.at <= until[clock]) || queue.horizon <= until[clock];
  });
}
