import { type Envelope, type Envelopes, envelopeJson } from "../../bus/envelope.ts";
import type { DeadLetterDraft } from "../../bus/port.ts";
import { readableJson } from "../../core/readable-json.ts";
import type { StageCall } from "../../plan/plan.ts";
import type { Moment } from "../../plan/window.ts";
import type { Rejected } from "../../sinks/port.ts";
import type { Outcomes } from "../../stages/run.ts";
import type { NameDraft } from "../../state/known-names.ts";
import type { StateDraft } from "../../state/state-draft.ts";
import type { ProducerOf } from "./open-entry.ts";

/** Rows for one destination, and the event behind each. */
export interface Rows {
  /** Let go of once they are written: a sink keeps what it needs. */
  rows: unknown[];
  readonly events: number[];
  /** The rows behind which there is no event, by their index: a dead letter could not be told from anything else. */
  readonly results: Map<number, unknown>;
}

/** A frame that was decoded. */
export interface OpenedFrame {
  readonly id: string;
  readonly events: number;
  /** Decodes it once more. Events that waited for their commit would burden the garbage collector; hardly any is asked for again. */
  readonly decode: () => Envelopes;
  readonly producerOf: ProducerOf;
}

/** Where events of the chunk came from, from number `first` on: a frame, or an entry that is one event and its own original. */
type Span =
  | (OpenedFrame & { readonly kind: "frame"; readonly first: number })
  | { readonly kind: "lone"; readonly first: number; readonly id: string; readonly type: string; readonly eventId: string };

/** A value between two sections of a pipeline, and what becomes of it. */
export interface Item {
  readonly value: unknown;
  readonly outcomes: Outcomes;
  /** Values of one key keep their order. */
  readonly key: string;
}

export interface ChunkOptions {
  readonly derives: ReadonlySet<string>;
  readonly states?: StateDraft;
  /** The names of the events that are taken; none where they are not remembered. */
  readonly names?: NameDraft | undefined;
  /** Ends the work on it. */
  readonly signal: AbortSignal;
}

type Letter = Pick<DeadLetterDraft, "stage" | "reason" | "error">;

/**
 * The entries of one read on their way: rows by sink, derived events, dead letters and counts. It settles as a whole, in one
 * commit; its rows may be written in several goes.
 */
export class Chunk {
  readonly entries: string[] = [];
  readonly rows = new RowsByDestination();
  /** Envelopes for streams. */
  readonly derived = new RowsByDestination();
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
  #passed: Item[] = [];
  #begun = 0;
  /** The frame that was decoded again last. */
  #decoded: { readonly id: string; readonly envelopes: Envelopes } | undefined;

  constructor(pipeline: string, { derives, states, names, signal }: ChunkOptions) {
    this.pipeline = pipeline;
    this.derives = derives;
    this.states = states;
    this.names = names;
    this.call = { signal };
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
    this.entries.push(id);
    this.#spans.push({ kind: "lone", first: this.#opened++, id, type, eventId });
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
  takePassed(): readonly Item[] {
    const passed = this.#passed;
    this.#passed = [];
    return passed;
  }

  /**
   * What was derived, by destination: in the order of what it was made of, since producers send in the order of their time. Events that
   * have waited for a stage without state have left theirs behind those of later ones.
   */
  takeDerived(): ReadonlyMap<string, Rows> {
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
    const { id, first } = this.#spanOf(event);
    for (let i = this.deadLetters.length - 1; i >= 0; i--) {
      const { entry, index } = this.deadLetters[i] as DeadLetterDraft;
      if (entry === id && index === event - first) this.deadLetters.splice(i, 1);
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
      const event = events[row] as number;
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
    if (span.kind === "lone")
      return { entry: span.id, index: 0, type: span.type, eventId: span.eventId, original: undefined, ...letter };
    const index = event - span.first;
    const { type, id: eventId, ...rest } = envelope ?? this.#decodeAgain(span, index);
    return { entry: span.id, index, type, eventId, original: originalOf({ type, id: eventId, ...rest }), ...letter };
  }

  #causedDraft(event: number, { value, ...letter }: Letter & { readonly value: unknown }): DeadLetterDraft {
    const { moment } = this.#caused[-event - 1] as { readonly moment: Moment };
    return { entry: "", index: 0, type: "", eventId: moment.id, original: readableJson(value), ...letter };
  }

  #spanOf(event: number): Span {
    let low = 0;
    let high = this.#spans.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#spans[middle] as Span).first <= event) low = middle;
      else high = middle - 1;
    }
    return this.#spans[low] as Span;
  }

  #decodeAgain({ id, decode }: OpenedFrame, index: number): Envelope {
    if (this.#decoded?.id !== id) this.#decoded = { id, envelopes: decode() };
    return this.#decoded.envelopes.at(index) as Envelope;
  }
}

/** Collects rows until they are taken. */
class RowsByDestination {
  #rows = new Map<string, Rows>();
  // Nearly every row goes where the last one went: looking it up each time would cost a tenth of the stages.
  #destination: string | undefined;
  #last: Rows | undefined;

  add(destination: string, row: unknown, event: number): void {
    if (destination !== this.#destination || !this.#last) {
      this.#destination = destination;
      this.#last = this.#rows.get(destination);
      if (!this.#last) {
        this.#last = { rows: [], events: [], results: new Map() };
        this.#rows.set(destination, this.#last);
      }
    }
    if (event < 0) this.#last.results.set(this.#last.rows.length, row);
    this.#last.rows.push(row);
    this.#last.events.push(event);
  }

  /** What was collected since the last time. */
  take(): ReadonlyMap<string, Rows> {
    const rows = this.#rows;
    this.#rows = new Map();
    this.#last = undefined;
    return rows;
  }

  remove(event: number): void {
    for (const [name, { rows, events, results }] of this.#rows) {
      if (!events.includes(event)) continue;
      const kept = events.flatMap((one, i) => (one === event ? [] : [i]));
      this.#rows.set(name, {
        rows: kept.map((i) => rows[i]),
        events: kept.map((i) => events[i] as number),
        results: new Map(kept.flatMap((from, to) => (results.has(from) ? [[to, results.get(from)] as const] : []))),
      });
      this.#last = undefined;
    }
  }
}

/** Rows in the order of the events behind them: there is one behind each. */
function inOrder({ rows, events, results }: Rows): Rows {
  if (events.every((event, i) => i === 0 || (events[i - 1] as number) <= event)) return { rows, events, results };
  const places = [...events.keys()].sort((a, b) => (events[a] as number) - (events[b] as number));
  return { rows: places.map((place) => rows[place]), events: places.map((place) => events[place] as number), results };
}

/** The event as JSON; `undefined`, for the bytes of its whole entry, where it nests deeper than JSON can be written. */
function originalOf(envelope: Envelope): string | undefined {
  try {
    return envelopeJson(envelope);
  } catch {
    return undefined;
  }
}
