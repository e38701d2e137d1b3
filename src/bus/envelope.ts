import { isDate } from "../core/dates.ts";

/** An event as it travels: what a frame holds and an entry is decoded to, before its schema was looked at. */
export interface Envelope {
  /** Always a UUID. */
  readonly id: string;
  /** The type of the event. */
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Who said so; undefined where the producer did not tell. */
  readonly source: string | undefined;
  /** Of the trace that it belongs to, as W3C Trace Context has it. */
  readonly traceparent: string | undefined;
  /** Of the event's schema. @default 1 */
  readonly version?: number | undefined;
  /** As its schema takes it. */
  readonly data: unknown;
  /** The producer of the event that this one was made of, as the pipeline that made it knew it. `undefined` where it was made of no single one. */
  readonly by?: string | undefined;
  /**
   * A hash of what its producer said under its name, the time too where it gave one: where it sends the event again, it is the same.
   * `undefined` where the event has no id of its own, or came in a frame.
   */
  readonly contentHash?: number | undefined;
  /** Why it cannot be taken, although it could be read. */
  readonly fault?: Fault;
}

/** Why an event cannot be taken. */
export interface Fault {
  /** A short word that counts are kept under. */
  readonly reason: string;
  /** A sentence for people. */
  readonly error: string;
}

/** The producers behind derived events: each name once, and its place in that list for each event, where there are several. */
export interface Makers {
  /** `null`: of those that were made of no single event. */
  readonly names: readonly (string | null)[];
  readonly of: readonly number[] | undefined;
}

/** Some envelopes by their index; an array will do. */
export interface Envelopes {
  readonly length: number;
  /** `undefined` where no event was derived. */
  readonly makers?: Makers | undefined;
  /** What they measured together as JSON, inflated, where that is known. */
  readonly bytes?: number;
  at(index: number): Envelope | undefined;
}

/**
 * An envelope as the JSON that `headrace send` takes: how an event out of a frame is kept in the dead letters.
 * @throws RangeError where the data nests too deeply for JSON, TypeError where it holds what JSON cannot
 */
export function envelopeJson(envelope: Envelope): string {
  const { id, type, time, source, traceparent, version, data } = envelope;
  // JSON has no Infinity.
  const at = isDate(time) ? new Date(time).toISOString() : Number.isFinite(time) ? time : String(time);
  return JSON.stringify({ id, type, version: version === 1 ? undefined : version, time: at, source, traceparent, data });
}
