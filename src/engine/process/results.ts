import { type Envelope, type Envelopes, envelopeJson } from "../../bus/envelope.ts";
import type { DeadLetterDraft } from "../../bus/port.ts";
import { at } from "../../core/at.ts";
import { readableJson } from "../../core/readable-json.ts";
import type { StageCall } from "../../plan/plan.ts";
import type { Moment } from "../../plan/window.ts";
import type { Rejected } from "../../sinks/port.ts";
import type { Outcomes } from "../../stages/run.ts";
import type { NameDraft } from "../../state/known-names.ts";
import type { StateDraft } from "../../state/state-draft.ts";
import type { ProducerOf } from "./open-entry.ts";
import { inOrder, type Rows, RowsByDestination } from "./rows.ts";

/** A frame that was decoded. */
export interface OpenedFrame {
  readonly id: string;
  readonly events: number;
  /** Decodes it once more. Events that waited for their commit would burden the garbage collector; hardly any is asked for again. */
  readonly decode: () => Envelopes;
  readonly producerOf: ProducerOf;
}

/**
 * Entries that are one event each, and their own originals: one behind the other. As lists, since they stay until they are committed:
 * an object for each would be copied by the garbage collector twice.
 */
interface LoneEvents {
  readonly kind: "lone";
  /** The place of the first one among the entries of the batch. */
  readonly place: number;
  readonly types: string[];
  readonly eventIds: string[];
}

/** Where events of the batch came from, from number `first` on. */
type Span = (OpenedFrame & { readonly kind: "frame"; readonly first: number }) | (LoneEvents & { readonly first: number });

/** A value between two sections of a pipeline, and what becomes of it. */
export interface SectionValue {
  readonly value: unknown;
  readonly outcomes: Outcomes;
  /** Values of one key keep their order. */
  readonly key: string;
}

export interface ResultsOptions {
  readonly derives: ReadonlySet<string>;
  readonly states?: StateDraft;
  /** The names of the events that are taken; none where they are not remembered. */
  readonly names?: NameDraft | undefined;
  /** Ends the work on it. */
  readonly signal: AbortSignal;
}

type Letter = Pick<DeadLetterDraft, "stage" | "reason" | "error">;

/**
 * What has become of the entries of a batch: rows by sink, derived events, states, names, dead letters and counts. They are committed as
 * a whole; the rows may be written in several goes.
 */
export class BatchResults {
  readonly entries: string[] = [];
  readonly rows = new RowsByDestination<unknown>();
  readonly derived = new RowsByDestination<Envelope>();
  readonly counts: Record<string, number> = {};
  readonly deadLetters: DeadLetterDraft[] = [];
  readonly pipeline: string;
  /** The destinations that are streams. */
  readonly derives: ReadonlySet<string>;
  /** `undefined` for a pipeline that keeps no state. */
  readonly states: StateDraft | undefined;
  readonly names: NameDraft | undefined;
  /** One for all its events: a stage makes nothing anew for each. */
  readonly call: StageCall;
  bytes = 0;
  /** The key of what is taken through a section. */
  key = "";
  readonly #spans: Span[] = [];
  readonly #setAside = new Set<number>();
  /** What no single event has caused, by its number from -1 downwards. */
  readonly #caused: { readonly moment: Moment }[] = [];
  #opened = 0;
  #passed: SectionValue[] = [];
  #begun = 0;
  /** The frame that was decoded again last. */
  #decoded: { readonly id: string; readonly envelopes: Envelopes } | undefined;

  constructor(pipeline: string, { derives, states, names, signal }: ResultsOptions) {
    this.pipeline = pipeline;
    this.derives = derives;
    this.states = states;
    this.names = names;
    this.call = { signal };
  }

  /** The states, for a stage that keeps one. */
  get keyed(): StateDraft {
    if (!this.states) throw new Error(`pipeline '${this.pipeline}' keeps no state`);
    return this.states;
  }

  /** Events in the entries that were opened, and results that no single event has caused. */
  get size(): number {
    return this.#opened + this.#caused.length;
  }

  /** Opens a frame; `begin` is then called for each of its events in turn. */
  open(frame: OpenedFrame): void {
    this.entries.push(frame.id);
    this.#spans.push({ kind: "frame", first: this.#opened, ...frame });
    this.#opened += frame.events;
  }

  /** Opens an entry that is one event. */
  openLone(id: string, { type, id: eventId }: Envelope): void {
    let last = this.#spans.at(-1);
    if (last?.kind !== "lone" || last.place + last.types.length !== this.entries.length) {
      last = { kind: "lone", first: this.#opened, place: this.entries.length, types: [], eventIds: [] };
      this.#spans.push(last);
    }
    const before = last.types.at(-1);
    // Mostly it is the type of the last one: then its text is kept once.
    last.types.push(before === type ? before : type);
    last.eventIds.push(eventId);
    this.entries.push(id);
    this.#opened++;
  }

  /** The number of the next event. */
  begin(): number {
    return this.#begun++;
  }

  /** Whose an event is; of an entry that is one event, nobody is known. */
  producerOf(event: number): string {
    const span = this.#spanOf(event);
    return span.kind === "frame" ? span.producerOf(event - span.first) : "";
  }

  /** The number of a result that no single event has caused: below 0, since no outcome of the ledger is counted for it. */
  beginCaused(result: { readonly moment: Moment }): number {
    return -this.#caused.push(result);
  }

  /** Takes a value on to the next section, under the key of what it was made of. */
  pass(value: unknown, outcomes: Outcomes): void {
    this.#passed.push({ value, outcomes, key: this.key });
  }

  /** What has come out of a section, in order. */
  takePassed(): readonly SectionValue[] {
    const passed = this.#passed;
    this.#passed = [];
    return passed;
  }

  /**
   * What was derived, by destination: in the order of what it was made of, since producers send in the order of their time. Events that
   * have waited for a stage without state have left theirs behind those of later ones.
   */
  takeDerived(): ReadonlyMap<string, Rows<Envelope>> {
    const derived = this.derived.take();
    return this.states ? derived : new Map([...derived].map(([name, rows]) => [name, inOrder(rows)]));
  }

  count(counter: string, by: number): void {
    this.counts[counter] = (this.counts[counter] ?? 0) + by;
  }

  /** Adds to a counter that is not an outcome, such as how many workflows were started. */
  note(counts: Readonly<Record<string, number>>, prefix: string): void {
    for (const [name, count] of Object.entries(counts)) this.count(`${prefix}:${name}`, count);
  }

  setAside(event: number, envelope: Envelope | undefined, letter: Letter): void {
    this.#setAside.add(event);
    this.deadLetters.push(this.#draft(event, letter, envelope));
  }

  /** Sets a result aside that no single event has caused. */
  setCausedAside(event: number, value: unknown, letter: Letter): void {
    this.#setAside.add(event);
    this.deadLetters.push(this.#causedDraft(event, { ...letter, value }));
  }

  /** Takes back what an event has left here so far. */
  forget(event: number): void {
    this.rows.remove(event);
    this.derived.remove(event);
    if (!this.#setAside.delete(event)) return;
    const place = this.#placeOf(event);
    for (let i = this.deadLetters.length - 1; i >= 0; i--) {
      const { entry, index } = at(this.deadLetters, i);
      if (entry === place.entry && index === place.index) this.deadLetters.splice(i, 1);
    }
  }

  /** Sets a whole entry aside, with the number of events that it counted for when it was read. */
  refuseEntry(entry: string, events: number, letter: Omit<DeadLetterDraft, "entry" | "index" | "original">): void {
    this.entries.push(entry);
    this.deadLetters.push({ ...letter, entry, index: 0, original: undefined });
    this.count(`deadLettered:${letter.reason}`, events);
  }

  /** An event was set aside: it is to come in again when it is sent again. */
  forgetId(id: string): void {
    this.states?.forgetId(id);
    this.names?.forget(id);
  }

  /** Moves the events of rows that a sink refused from delivered to dead-lettered. */
  reject(stage: string, { events, results }: Pick<Rows, "events" | "results">, rejected: readonly Rejected[]): void {
    for (const { row, reason } of rejected) {
      const event = at(events, row);
      const letter = { stage, reason: "row-refused", error: reason };
      const draft = event < 0 ? this.#causedDraft(event, { ...letter, value: results.get(row) }) : this.#draft(event, letter);
      this.deadLetters.push(draft);
      this.forgetId(draft.eventId);
      if (event < 0) this.count("emitted", -1);
      if (this.#setAside.has(event) || event < 0) continue;
      this.#setAside.add(event);
      this.count("delivered", -1);
      this.count("deadLettered:row-refused", 1);
    }
  }

  /** `envelope`: the event, where it is at hand. */
  #draft(event: number, letter: Letter, envelope?: Envelope): DeadLetterDraft {
    const span = this.#spanOf(event);
    const place = this.#placeOf(event);
    const nth = event - span.first;
    if (span.kind === "lone")
      return { ...place, type: at(span.types, nth), eventId: at(span.eventIds, nth), original: undefined, ...letter };
    const { type, id: eventId, ...rest } = envelope ?? this.#decodeAgain(span, nth);
    return { ...place, type, eventId, original: originalOf({ type, id: eventId, ...rest }), ...letter };
  }

  #causedDraft(event: number, { value, ...letter }: Letter & { readonly value: unknown }): DeadLetterDraft {
    const { moment } = at(this.#caused, -event - 1);
    return { entry: "", index: 0, type: "", eventId: moment.id, original: readableJson(value), ...letter };
  }

  /** The entry of an event, and its index in it. */
  #placeOf(event: number): { readonly entry: string; readonly index: number } {
    const span = this.#spanOf(event);
    const nth = event - span.first;
    return span.kind === "frame" ? { entry: span.id, index: nth } : { entry: at(this.entries, span.place + nth), index: 0 };
  }

  #spanOf(event: number): Span {
    let low = 0;
    let high = this.#spans.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (at(this.#spans, middle).first <= event) low = middle;
      else high = middle - 1;
    }
    return at(this.#spans, low);
  }

  #decodeAgain({ id, decode }: OpenedFrame, index: number): Envelope {
    if (this.#decoded?.id !== id) this.#decoded = { id, envelopes: decode() };
    const envelope = this.#decoded.envelopes.at(index);
    if (!envelope) throw new Error(`the frame ${id} holds no event ${index}`);
    return envelope;
  }
}

/** The event as JSON; `undefined`, for the bytes of its whole entry, where it nests deeper than JSON can be written. */
function originalOf(envelope: Envelope): string | undefined {
  try {
    return envelopeJson(envelope);
  } catch {
    return undefined;
  }
}
