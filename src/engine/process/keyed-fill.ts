import type { Envelope } from "../../bus/envelope.ts";
import type { Partition } from "../../bus/partition.ts";
import { deliveryLimits, type Entry } from "../../bus/port.ts";
import type { PipelinePlan, StreamPlan } from "../../plan/plan.ts";
import type { Timer } from "../../plan/timer.ts";
import { isRefusal } from "../../stages/admit.ts";
import { compileFlow } from "../../stages/flow.ts";
import { isUnreadable, setAside } from "../../stages/pursue.ts";
import type { KeyedStage, Run } from "../../stages/run.ts";
import type { KeyedState } from "../../state/keyed-state.ts";
import type { NameDraft } from "../../state/known-names.ts";
import { StartOver, type StateDraft, splitMember } from "../../state/state-draft.ts";
import type { TimerQueue } from "../../state/timer-queue.ts";
import { CausedOutcomes } from "./caused-outcomes.ts";
import { Chunk, type Item } from "./chunk.ts";
import { BegunEvents, compute, type Origin } from "./compute.ts";
import { EventOutcomes } from "./event-outcomes.ts";
import { type Fill, type Filled, streamsOf } from "./fill.ts";
import { compileGate, openInto, storedAt } from "./open-entries.ts";
import { openEntry } from "./open-entry.ts";
import { Parking } from "./parking.ts";
import { Recording } from "./recording.ts";
import { type TryingDeps, untilDecided } from "./until-decided.ts";

export interface KeyedFillContext extends Omit<TryingDeps, "about"> {
  readonly state: KeyedState;
  /** Of the events that are taken; none where they are not remembered. */
  readonly names?: NameDraft | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Nothing is left to be read, so event time goes on by the clock. */
  readonly atRest: boolean;
  /** Resolves when everything before is committed. */
  readonly idle: () => Promise<void>;
  /** The entries that were read behind these, for as long as these wait. They are taken when their turn comes. */
  readonly behind: () => Promise<readonly Entry[]>;
}

export interface KeyedFillOptions {
  readonly pipeline: PipelinePlan;
  readonly stream: StreamPlan;
  readonly partition: Partition;
  /** Events that go through the stages together. */
  readonly portionEvents: number;
  /** Whether calls for the next read may be made while one waits: not where the source's limit has still to let it through. */
  readonly goesOn: boolean;
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
 * An event that a stage without state asks to try again is tried by itself, and parks its key (compute.ts). Stages with state begin when
 * it is through: what comes before it in the log is folded before it, and the watermark goes by the log. Meanwhile the calls of other
 * keys go on, of this read and of the next; each is made once.
 *
 * It takes as many of the entries as one commit can carry. A bad entry or event becomes a dead letter with its reason. What asks to
 * try again in a stage with state has the read taken as a whole: what an event does to a state must not be done twice. What rejects is
 * a RetryableError, or a ConfigError (the pipeline stops).
 */
export function compileKeyedFill(options: KeyedFillOptions): KeyedFill {
  const { pipeline, stream, partition, portionEvents, goesOn } = options;
  const admit = compileGate(stream);
  const sections = compileFlow(pipeline);
  const [first] = sections;
  const derives = streamsOf(pipeline);
  const about = { partition: partition.name, pipeline: pipeline.name };
  const begun = new BegunEvents();

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
    const { state, names, now, atRest, idle } = context;
    // An earlier try has taken some.
    names?.abandon();
    const chunk = new Chunk(pipeline.name, { derives, states, names, signal: context.signal });
    let until: Until = { event: state.watermark.mark, processing: now };
    let taken = 0;
    const portions = inPortions(entries, portionEvents);
    for (const [i, portion] of portions.entries()) {
      const { events, items } = open(portion, { chunk, state, now });
      if (atRest) state.watermark.rest(now);
      until = { event: state.watermark.mark, processing: now };
      // What earlier portions have set is not in the store yet, and may lie where timers are fetched from.
      if (taken > 0 && mustLoad(state, until)) throw new TooMuch(taken);
      await loadTimers(state, until, idle);
      let flow: readonly Item[] = items;
      for (const section of sections) {
        if (section.kind === "keyed") flow = await through(section.stage, flow, { chunk, states, until, state });
        else if (section !== first) flow = await compute(section.run, flow, { ...context, about, chunk, parking: new Parking() });
        else {
          const meanwhile = () => goOn(section.run, portions.slice(i + 1).flat(), context);
          flow = await compute(section.run, flow, { ...context, about, chunk, begun, meanwhile });
        }
      }
      for (const outcomes of events) outcomes.end();
      taken += portion.length;
    }
    if (states.encode() > maxCommitBytes && entries.length > 1) throw new TooMuch(entries.length >> 1);
    return { chunk, late: [], moreDue: state.stages.some((stage) => isDue(stage, { state, until })) };
  }

  /** The outcomes of all events in the entries, and the events that go through the stages. */
  function open(entries: readonly Entry[], { chunk, state: { watermark }, now }: Opening) {
    const events: EventOutcomes[] = [];
    const items: (Item & Origin)[] = [];
    for (const entry of entries) {
      const opened = openInto(chunk, partition, entry);
      if (!opened) continue;
      const { envelopes, producerOf } = opened;
      const at = storedAt(entry, now);
      for (let k = 0; k < envelopes.length; k++) {
        const envelope = envelopes.at(k) as Envelope;
        const event = admit(envelope, now, chunk.names);
        const outcomes = new EventOutcomes(chunk);
        events.push(outcomes);
        if (!isRefusal(event)) {
          watermark.advance({ producer: producerOf(k), time: envelope.time, storedAt: at });
          items.push({ value: event, outcomes, key: event.key, entry, index: k });
        }
        outcomes.begin(envelope, watermark.mark);
        if (isRefusal(event)) outcomes.refuse(event);
      }
    }
    return { events, items };
  }

  /** Begins what lies behind, as far as there is room, until it is told that the wait is over. */
  function goOn(run: Run, rest: readonly Entry[], context: KeyedFillContext): () => void {
    const over = new AbortController();
    const { now, signal, parking, behind } = context;
    const take = untilDecided(run, { ...context, about });
    const begin = async (entries: readonly Entry[]) => {
      for (const entry of entries) {
        if (entry.deliveries > deliveryLimits.last) continue;
        const opened = openEntry(partition, entry);
        for (let index = 0; opened.kind === "opened" && index < opened.envelopes.length; index++) {
          if (over.signal.aborted || signal.aborted) return;
          const event = admit(opened.envelopes.at(index) as Envelope, now, undefined);
          if (isRefusal(event) || begun.get({ entry, index })) continue;
          const recording = new Recording({ signal });
          recording.of = { moment: event };
          const pending = take(event, event.key, recording);
          begun.set({ entry, index }, { recording, pending });
          if (pending) await parking.room(over.signal);
        }
      }
    };
    // What fails here is met again when its turn comes.
    begin(rest)
      .then(async () => goesOn && !over.signal.aborted && begin(await behind()))
      .catch(() => {});
    return () => over.abort();
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

async function through(keyed: KeyedStage, flow: readonly Item[], passage: Passage): Promise<readonly Item[]> {
  const { name, run, fire } = keyed;
  const { chunk, state, states, until } = passage;
  const keys = await prefetch(keyed, flow, passage);
  const timers = state.queue(name, "event");
  let left = maxRings;
  for (let i = 0; i < flow.length; i++) {
    const { value, outcomes, key } = flow[i] as Item;
    // Hardly any event makes a timer ring: the others are not to wait for a turn of the loop.
    const next = timers.next();
    if (next && next.at <= outcomes.watermark) await ring("event", outcomes.watermark);
    chunk.key = keys?.[i] ?? key;
    try {
      const pending = run(value, outcomes, keys?.[i]);
      if (pending) await pending;
    } catch (error) {
      if (error instanceof StartOver) throw error;
      setAside(outcomes, error, value);
    }
  }
  for (const clock of clocks) await ring(clock, until[clock]);
  return chunk.takePassed();

  async function ring(clock: Timer["clock"], time: number): Promise<void> {
    const queue = state.queue(name, clock);
    for (let due = queue.next(); due && due.at <= time && left-- > 0; due = queue.next()) {
      const { member, at } = due;
      const { timer, key } = splitMember(member);
      chunk.key = key;
      const outcomes = new CausedOutcomes(chunk, { cause: `${name}\n${member}\n${at}`, time: at, watermark: at });
      try {
        const pending = fire({ key, timer, at }, outcomes);
        if (pending) await pending;
      } catch (error) {
        if (error instanceof StartOver) throw error;
        if (isUnreadable(error)) {
          // It stays in the store, and rings for the next owner: the state may be mended by then.
          queue.set(member, undefined);
          continue;
        }
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
