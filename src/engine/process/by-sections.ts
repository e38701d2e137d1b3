import { deliveryLimits, type Entry } from "../../bus/port.ts";
import { isFault } from "../../stages/admit.ts";
import type { Section } from "../../stages/flow.ts";
import type { Run } from "../../stages/run.ts";
import type { StateDraft } from "../../state/state-draft.ts";
import type { Batch } from "../read/batch.ts";
import { isMoreDue, loadTimers, mustLoad, type Until } from "./due-timers.ts";
import { EventOutcomes } from "./event-outcomes.ts";
import { KeyQueue } from "./key-queue.ts";
import { KeyedSection, type SectionEnd } from "./keyed-section.ts";
import { openEntries, storedAt } from "./open-entries.ts";
import { openEntry } from "./open-entry.ts";
import { BegunEvents, type EventPosition, throughPlain } from "./plain-section.ts";
import type { CompiledProcess, KeyedContext, OpenContext, Processed, ProcessResult } from "./processing.ts";
import { Recording } from "./recording.ts";
import { BatchResults, type SectionValue } from "./results.ts";
import { untilDecided } from "./until-decided.ts";

type Context = Omit<OpenContext, "keyed"> & KeyedContext;

export interface SectionsOptions {
  /** Events that go through the sections together. */
  readonly portionEvents: number;
  /** Whether calls for the next batch may be made while one waits: not where the source's limit has still to let it through. */
  readonly goesOn: boolean;
}

/** How a try with some of the entries has ended. */
type Attempt =
  | Processed
  | Extract<SectionEnd, { readonly kind: "start-over" }>
  /** Only so many of the entries can go into one commit. */
  | { readonly kind: "too-much"; readonly fits: number };

/** A try under way. */
interface BatchTry {
  readonly results: BatchResults;
  readonly states: StateDraft;
  readonly context: Context;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly atRest: boolean;
}

/** Some entries of a batch that go through the sections together, and those behind them. */
interface Portion {
  readonly entries: readonly Entry[];
  readonly rest: readonly Entry[];
  readonly isFirst: boolean;
}

/** What a commit may carry of states where its entries can be divided, bytes. */
const maxCommitBytes = 16 * 1024 * 1024;

/**
 * What a pipeline with keyed state does with the batches of one partition. Events go through one section of stages after another, each
 * section in their order: so the states of all of them are fetched in one call.
 *
 * An event that a stage without state asks to try again is tried by itself, and the events of its key wait (plain-section.ts). Stages with
 * state begin when it is through: what comes before it in the log is folded before it, and the watermark goes by the log. Meanwhile the
 * calls of other keys go on, of this batch and of the next; each is made once.
 *
 * It takes as many of the entries as one commit can carry. Where a stage with state asks to try again, the whole batch is taken again from
 * the states before it: an event must not change a state twice.
 */
export class BySections {
  readonly #sections: readonly Section[];
  readonly #compiled: CompiledProcess;
  readonly #options: SectionsOptions;
  readonly #begun = new BegunEvents();

  constructor(sections: readonly Section[], compiled: CompiledProcess, options: SectionsOptions) {
    this.#sections = sections;
    this.#compiled = compiled;
    this.#options = options;
  }

  async process({ entries, atRest }: Batch, context: Context): Promise<ProcessResult> {
    const { state, idle } = context;
    await state.open();
    let some = entries;
    for (let careful = false; ; ) {
      const states = state.draft(careful);
      const undo = async () => {
        await idle();
        state.forget(states);
      };
      const attempt = await this.#try(some, states, { context, atRest }).catch(async (error) => {
        await undo();
        throw error;
      });
      if (attempt.kind === "processed") return attempt;
      await undo();
      if (attempt.kind === "too-much") some = entries.slice(0, attempt.fits);
      else careful = true;
    }
  }

  async #try(
    entries: readonly Entry[],
    states: StateDraft,
    { context, atRest }: { readonly context: Context; readonly atRest: boolean },
  ): Promise<Attempt> {
    const { state, names, clock, signal } = context;
    // An earlier try may have taken some names.
    names?.abandon();
    const { pipeline, derives } = this.#compiled;
    const results = new BatchResults(pipeline, { derives, states, names, signal });
    const current = { results, states, context, now: clock.now(), atRest };
    let until: Until = { event: state.watermark.mark, processing: current.now };
    let taken = 0;
    for (const portion of inPortions(entries, this.#options.portionEvents)) {
      const { events, values } = await this.#open(portion, current);
      if (atRest) state.watermark.rest(current.now);
      until = { event: state.watermark.mark, processing: current.now };
      // What earlier portions have set is not in the store yet, and may lie where timers are fetched from.
      if (!portion.isFirst && mustLoad(state, until)) return { kind: "too-much", fits: taken };
      await loadTimers(state, until, context.idle);
      const end = await this.#through(values, portion, { ...current, until });
      if (end.kind === "start-over") return end;
      for (const outcomes of events) outcomes.end();
      taken += portion.entries.length;
    }
    const encoded = states.encode();
    if (encoded.kind === "start-over") return encoded;
    if (encoded.bytes > maxCommitBytes && entries.length > 1) return { kind: "too-much", fits: entries.length >> 1 };
    return { kind: "processed", results, late: [], moreDue: isMoreDue(state, until) };
  }

  /** The events that go through the stages, and their outcomes. */
  async #open({ entries }: Portion, { results, context, now }: BatchTry) {
    const { watermark } = context.state;
    const events: EventOutcomes[] = [];
    const values: (SectionValue & EventPosition)[] = [];
    await openEntries(entries, { ...this.#compiled, results, now }, (event, envelope, index, { entry, producerOf }) => {
      const outcomes = new EventOutcomes(results);
      if (isFault(event)) {
        outcomes.begin(envelope, watermark.mark);
        return outcomes.refuse(event);
      }
      watermark.advance({ producer: producerOf(index), time: envelope.time, storedAt: storedAt(entry, now) });
      outcomes.begin(envelope, watermark.mark);
      events.push(outcomes);
      values.push({ value: event, outcomes, key: event.key, entry, index });
    });
    return { events, values };
  }

  async #through(
    values: readonly (SectionValue & EventPosition)[],
    { rest }: Portion,
    { results, states, context, until }: BatchTry & { readonly until: Until },
  ): Promise<SectionEnd> {
    const { about } = this.#compiled;
    const { state } = context;
    let flow: readonly SectionValue[] = values;
    for (const [i, section] of this.#sections.entries()) {
      if (section.kind === "keyed") {
        const end = await new KeyedSection(section.stage, { results, states, until, state }).take(flow);
        if (end.kind === "start-over") return end;
        flow = end.flow;
      } else if (i > 0) {
        flow = await throughPlain(section.run, flow, { ...context, about, results, queue: new KeyQueue() });
      } else {
        const meanwhile = () => this.#goOn(section.run, rest, context);
        flow = await throughPlain(section.run, flow, { ...context, about, results, begun: this.#begun, meanwhile });
      }
    }
    return { kind: "through", flow };
  }

  /** Begins the calls of later entries while this batch waits, as far as there is room. What it returns ends that. */
  #goOn(run: Run, rest: readonly Entry[], context: Context): () => void {
    const over = new AbortController();
    const begin = async (entries: readonly Entry[]) => {
      for (const entry of entries) {
        if (entry.deliveries > deliveryLimits.last) continue;
        await this.#begin(run, entry, { context, over: over.signal });
      }
    };
    // A failure here comes again, and is handled, when the entry's turn comes.
    begin(rest)
      .then(async () => this.#options.goesOn && !over.signal.aborted && begin(await context.behind()))
      .catch(() => {});
    return () => over.abort();
  }

  async #begin(
    run: Run,
    entry: Entry,
    { context, over }: { readonly context: Context; readonly over: AbortSignal },
  ): Promise<void> {
    const { partition, gate, about } = this.#compiled;
    const { clock, signal, queue } = context;
    const take = untilDecided(run, { ...context, about });
    const opened = openEntry(partition, entry);
    if (opened.kind === "refused") return;
    for (let index = 0; index < opened.envelopes.length; index++) {
      if (over.aborted || signal.aborted) return;
      const envelope = opened.envelopes.at(index);
      const event = envelope && gate(envelope, clock.now(), undefined);
      if (!event || isFault(event) || this.#begun.get({ entry, index })) continue;
      const recording = new Recording({ signal });
      recording.of = { moment: event };
      const pending = take(event, event.key, recording);
      this.#begun.set({ entry, index }, { recording, pending });
      if (pending) await queue.waitForRoom(over);
    }
  }
}

/** Cuts a batch up: objects of many events that are alive at once burden the garbage collector. */
function inPortions(entries: readonly Entry[], portionEvents: number): readonly Portion[] {
  const starts: number[] = [0];
  let events = 0;
  for (const [i, entry] of entries.entries()) {
    if (i > 0 && events + entry.events > portionEvents) {
      starts.push(i);
      events = 0;
    }
    events += entry.events;
  }
  return starts.map((start, i) => {
    const end = starts[i + 1] ?? entries.length;
    return { entries: entries.slice(start, end), rest: entries.slice(end), isFirst: i === 0 };
  });
}
