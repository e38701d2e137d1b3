import { type Envelope, type Envelopes, envelopeJson } from "../bus/envelope.ts";
import type { DeadLetterDraft } from "../bus/port.ts";
import { uuidOf } from "../core/hash.ts";
import type { Rejected } from "../sinks/port.ts";
import type { Outcomes } from "../stages/run.ts";
import type { StateDraft } from "../state/keyed-state.ts";

/** Rows of one chunk for one sink, and the event behind each. */
export interface SinkRows {
  /** Let go of once they are written: a sink keeps what it needs. */
  rows: unknown[];
  readonly events: number[];
}

/** An entry that was decoded. */
export interface OpenedEntry {
  readonly id: string;
  readonly events: number;
  /** Its entry holds nothing but one event, so the entry itself is the original. */
  readonly alone: boolean;
  /** Decodes it once more. Events that waited for their commit would burden the garbage collector; hardly any is asked for again. */
  readonly decode: () => Envelopes;
}

/** Where events of the chunk came from, from number `first` on. */
interface Span extends OpenedEntry {
  readonly first: number;
}

interface EventDraftRow {
  readonly type: string;
  readonly data: unknown;
  readonly time?: Date;
}

/** How an event ended so far; a higher one wins when an event had several. */
const undecided = 0;
const dropped = 1;
const delivered = 2;
const deadLettered = 3;

/**
 * The entries of one read on their way: rows by sink, dead letters and counts. It settles as a whole, in one commit.
 * Every event counts once: dead-lettered if any part of it was, else delivered if any part was, else dropped.
 */
export class Chunk implements Outcomes {
  readonly entries: string[] = [];
  readonly sinks = new Map<string, SinkRows>();
  readonly counts: Record<string, number> = {};
  readonly deadLetters: DeadLetterDraft[] = [];
  readonly states: StateDraft;
  bytes = 0;
  readonly #spans: Span[] = [];
  readonly #setAside = new Set<number>();
  #events = 0;
  #current = -1;
  #envelope: Envelope | undefined;
  #decoded: { readonly span: Span; readonly envelopes: Envelopes } | undefined;
  #state = undecided;
  #reason = "";
  #derived = 0;
  readonly #pipeline: string;
  readonly #derives: ReadonlySet<string>;

  /** `derives`: the destinations that are streams. */
  constructor(pipeline: string, derives: ReadonlySet<string>, states: StateDraft) {
    this.states = states;
    this.#pipeline = pipeline;
    this.#derives = derives;
  }

  /** Opens an entry; `begin` is then called for each of its envelopes in turn. */
  open(entry: OpenedEntry): void {
    this.entries.push(entry.id);
    this.#spans.push({ ...entry, first: this.#events });
    this.#events += entry.events;
  }

  begin(envelope: Envelope): void {
    this.#current++;
    this.#envelope = envelope;
    this.#state = undecided;
    this.#derived = 0;
  }

  /** Counts the event that was begun. One that vanished in a stage is a dead letter: nothing ends without an outcome. */
  end(): void {
    if (this.#state === undecided)
      this.deadLetter({ stage: "stages", reason: "stage-failed", error: "a stage returned neither values nor a reason to end" });
    if (this.#state === delivered) this.#count("delivered", 1);
    else if (this.#state === dropped) this.#count(`dropped:${this.#reason}`, 1);
    else this.#count(`deadLettered:${this.#reason}`, 1);
  }

  send(destination: string, row: unknown): void {
    const derives = this.#derives.has(destination);
    let target = this.sinks.get(destination);
    if (!target) {
      target = { rows: [], events: [] };
      this.sinks.set(destination, target);
    }
    target.rows.push(derives ? this.#derive(destination, row as EventDraftRow) : row);
    target.events.push(this.#current);
    if (this.#state < delivered) this.#state = delivered;
  }

  drop(reason: string): void {
    if (this.#state >= dropped) return;
    this.#state = dropped;
    this.#reason = reason;
  }

  deadLetter(letter: { readonly stage: string; readonly reason: string; readonly error: string }): void {
    this.deadLetters.push(this.#draft(this.#current, letter));
    if (this.#state === deadLettered) return;
    this.#state = deadLettered;
    this.#reason = letter.reason;
    this.#setAside.add(this.#current);
  }

  /** Sets a whole entry aside, with the number of events that it counted for when it was read. */
  refuseEntry(entry: string, events: number, letter: Omit<DeadLetterDraft, "entry" | "index" | "original">): void {
    this.entries.push(entry);
    this.deadLetters.push({ ...letter, entry, index: 0, original: undefined });
    this.#count(`deadLettered:${letter.reason}`, events);
  }

  /** Moves the events of rows that a sink refused from delivered to dead-lettered. */
  reject(stage: string, rows: SinkRows, rejected: readonly Rejected[]): void {
    for (const { row, reason } of rejected) {
      const event = rows.events[row] as number;
      this.deadLetters.push(this.#draft(event, { stage, reason: "row-refused", error: reason }));
      if (this.#setAside.has(event)) continue;
      this.#setAside.add(event);
      this.#count("delivered", -1);
      this.#count("deadLettered:row-refused", 1);
    }
  }

  /** Adds to a counter that is not an outcome, such as how many workflows were started. */
  note(counts: Readonly<Record<string, number>>, prefix: string): void {
    for (const [name, count] of Object.entries(counts)) this.#count(`${prefix}:${name}`, count);
  }

  /** Gives a derived event its identity: the same cause makes the same id, however often it is read. */
  #derive(destination: string, { type, data, time }: EventDraftRow): Envelope {
    const cause = this.#envelope as Envelope;
    return {
      id: uuidOf(`${cause.id}\n${this.#pipeline}\n${destination}\n${this.#derived++}`),
      type,
      time: time?.getTime() ?? cause.time,
      source: this.#pipeline,
      traceparent: cause.traceparent,
      data,
    };
  }

  #count(counter: string, by: number): void {
    this.counts[counter] = (this.counts[counter] ?? 0) + by;
  }

  #draft(event: number, letter: { readonly stage: string; readonly reason: string; readonly error: string }): DeadLetterDraft {
    let low = 0;
    let high = this.#spans.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#spans[middle] as Span).first <= event) low = middle;
      else high = middle - 1;
    }
    const span = this.#spans[low] as Span;
    const index = event - span.first;
    const envelope = event === this.#current ? (this.#envelope as Envelope) : this.#decodeAgain(span, index);
    const original = span.alone ? undefined : originalOf(envelope);
    return { entry: span.id, index, type: envelope.type, eventId: envelope.id, original, ...letter };
  }

  #decodeAgain(span: Span, index: number): Envelope {
    if (this.#decoded?.span !== span) this.#decoded = { span, envelopes: span.decode() };
    return this.#decoded.envelopes.at(index) as Envelope;
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
