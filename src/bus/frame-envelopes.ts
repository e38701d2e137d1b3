import { TerminalError } from "../core/errors.ts";
import { isHalved, mayBeHalved } from "../core/half-character.ts";
import { eventId } from "../core/hash.ts";
import { type Envelope, type Envelopes, envelopeJson, type Fault, type Makers } from "./envelope.ts";
import { halved, isDeeper, maxDepth, maxEventBytes, maxIdLength, mayBeTooDeep, tooDeep, tooLarge } from "./event-limits.ts";

export type EventShape = readonly [type: string, fields: readonly string[] | null, version?: number];

/** The body of a frame: columns, as frame.ts says. */
export interface Body {
  readonly s: readonly EventShape[];
  readonly i?: readonly number[];
  readonly id: readonly string[];
  readonly t: readonly number[];
  readonly src?: readonly (string | null)[];
  readonly tp?: readonly (string | null)[];
  readonly by?: readonly (string | null)[];
  readonly b?: readonly number[];
  readonly d: readonly (readonly (readonly unknown[])[])[];
}

/**
 * Reads the body of a frame that announces `count` events. Anyone may have written it, so every part that is looked up later is
 * looked at here: what comes out of `at` is an event, whatever the body holds.
 * @throws TerminalError `frame.undecodable`, whose message says which part is wrong
 */
export function readBody(json: Buffer, count: number): Envelopes {
  const text = json.toString("utf8");
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw undecodable(error instanceof Error ? error.message : "it is not JSON");
  }
  return new FrameEnvelopes(checked(body, count), {
    bytes: json.length,
    mayBeTooLarge: json.length > maxEventBytes - slackBytes,
    mayBeTooDeep: mayBeTooDeep(text),
    mayBeHalved: mayBeHalved(text),
  });
}

/** What an event as JSON may measure beyond the body that it came in: names of its attributes, its time as text. */
const slackBytes = 1_024;

interface Measure {
  readonly bytes: number;
  /** Some event of the frame may exceed what one may measure or how deep it may nest: no other frame's events are measured. */
  readonly mayBeTooLarge: boolean;
  readonly mayBeTooDeep: boolean;
  readonly mayBeHalved: boolean;
}

interface Checked {
  readonly body: Body;
  /** The place of each event in the columns of its shape. */
  readonly places: Uint16Array;
}

function checked(value: unknown, count: number): Checked {
  if (typeof value !== "object" || value === null) throw undecodable("its body is no JSON object");
  const { s, i, id, t, src, tp, by, b, d } = value as Readonly<Record<keyof Body, unknown>>;
  if (!Array.isArray(id) || id.length !== count) throw undecodable(`it does not hold the ${count} events that it announces`);
  if (!Array.isArray(s) || s.length === 0 || !s.every(isShape)) throw undecodable("a shape is not a type with its fields");
  if (!isColumn(t, count)) throw undecodable(`it does not hold ${count} times`);
  if (i !== undefined && !isColumn(i, count)) throw undecodable(`it does not hold the shapes of ${count} events`);
  if (![src, tp].every((column) => column === undefined || isColumn(column, count)))
    throw undecodable(`it does not hold ${count} sources or traceparents`);
  if (!areMakers(by, b, count)) throw undecodable("its producers do not fit its events");
  const places = new Uint16Array(count);
  const next = new Uint16Array(s.length);
  for (let k = 0; k < count; k++) {
    if (typeof id[k] !== "string" || typeof t[k] !== "number") throw undecodable(`event ${k} lacks its id or time`);
    const shape = i === undefined ? 0 : i[k];
    if (typeof shape !== "number" || !Number.isInteger(shape) || shape < 0 || shape >= s.length)
      throw undecodable(`event ${k} has no shape`);
    const place = next[shape] as number;
    places[k] = place;
    next[shape] = place + 1;
  }
  // A column that is too short would make fields vanish.
  if (
    !Array.isArray(d) ||
    d.length !== s.length ||
    !d.every((columns, k) => areColumns(columns, s[k] as EventShape, next[k] as number))
  )
    throw undecodable("its columns do not fit its events");
  return { body: value as Body, places };
}

/** The events of a decoded frame. Each is put together when it is asked for: most live as long as one stage call. */
class FrameEnvelopes implements Envelopes {
  readonly length: number;
  readonly makers: Makers | undefined;
  readonly #body: Body;
  readonly #places: Uint16Array;
  readonly #measure: Measure;
  readonly #mayBeAtFault: boolean;

  constructor({ body, places }: Checked, measure: Measure) {
    this.length = places.length;
    this.makers = body.by && { names: body.by, of: body.b };
    this.#body = body;
    this.#places = places;
    this.#measure = measure;
    this.#mayBeAtFault = measure.mayBeTooLarge || measure.mayBeTooDeep || measure.mayBeHalved;
  }

  get bytes(): number {
    return this.#measure.bytes;
  }

  at(index: number): Envelope {
    const { s, i, id, t, src, tp, by, b, d } = this.#body;
    const shape = i ? (i[index] as number) : 0;
    const [type, fields, version] = s[shape] as EventShape;
    const columns = d[shape] as readonly (readonly unknown[])[];
    const place = this.#places[index] as number;
    const given = id[index] as string;
    const source = textOf(src?.[index]);
    const envelope = {
      id: eventId(given, source),
      type,
      time: t[index] as number,
      source,
      traceparent: textOf(tp?.[index]),
      version,
      by: by && (by[b ? (b[index] as number) : 0] ?? undefined),
      data: fields ? objectOf(fields, columns, place) : columns[0]?.[place],
    };
    const fault = idFault(given) ?? (this.#mayBeAtFault ? faultOf(envelope, given, this.#measure) : undefined);
    return fault ? { ...envelope, fault } : envelope;
  }
}

function idFault(id: string): Fault | undefined {
  if (id !== "" && id.length <= maxIdLength) return undefined;
  return { reason: "bad-id", error: `the event's id is not a string of 1 to ${maxIdLength} characters` };
}

/** What holds for every event, in a frame or not. */
function faultOf(envelope: Envelope, id: string, { mayBeTooLarge, mayBeTooDeep, mayBeHalved }: Measure): Fault | undefined {
  if (mayBeHalved && isHalved([id, envelope.type, envelope.source, envelope.data]))
    return { reason: "half-character", error: halved };
  // The event itself is the first level.
  if (mayBeTooDeep && isDeeper(envelope.data, maxDepth - 1)) return { reason: "too-deep", error: tooDeep };
  if (!mayBeTooLarge) return undefined;
  const bytes = Buffer.byteLength(envelopeJson(envelope));
  return bytes > maxEventBytes ? { reason: "too-large", error: tooLarge(bytes) } : undefined;
}

function objectOf(fields: readonly string[], columns: readonly (readonly unknown[])[], place: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let k = 0; k < fields.length; k++) object[fields[k] as string] = (columns[k] as readonly unknown[])[place];
  return object;
}

function isShape(value: unknown): value is EventShape {
  if (!Array.isArray(value)) return false;
  const [type, fields, version = 1] = value;
  return typeof type === "string" && Number.isSafeInteger(version) && version > 0 && (fields === null || areFields(fields));
}

/**
 * `__proto__` is no field: assigning to it would change the object's prototype instead. Encoders keep such data whole. Of two fields
 * of one name, one would vanish.
 */
const areFields = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every((field) => typeof field === "string" && field !== "__proto__") &&
  new Set(value).size === value.length;

const isColumn = (value: unknown, length: number): value is readonly unknown[] => Array.isArray(value) && value.length === length;

function areMakers(by: unknown, b: unknown, events: number): boolean {
  if (by === undefined) return true;
  if (!Array.isArray(by) || !by.every((name) => name === null || typeof name === "string")) return false;
  if (b === undefined) return by.length === 1;
  return (
    isColumn(b, events) &&
    b.every((place) => typeof place === "number" && Number.isInteger(place) && place >= 0 && place < by.length)
  );
}

const areColumns = (columns: unknown, [, fields]: EventShape, events: number): boolean =>
  isColumn(columns, fields?.length ?? 1) && columns.every((column) => isColumn(column, events));

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

export const undecodable = (what: string) =>
  new TerminalError("frame.undecodable", `the frame cannot be read: ${what.slice(0, 200)}`);
