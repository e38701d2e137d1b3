/**
 * The frame: many events in one entry. An on-disk contract, version 1.
 *
 * Entry fields, in this order: `v` version, `pid` producer, `inc` its incarnation, `fs` frame number, `n` events, `c` codec,
 * `t0` and `t1` earliest and latest event time (ms), `h` xxhash64 of `d` as 16 hex digits, `d` the body.
 *
 * The body is JSON in columns (`c` = `j`; `jz`: raw-deflated), since columns parse and compress better than rows:
 *   { "s": [[type, [field, …] | null], …]   shapes: the types and field lists that occur; [type, fields, version] where that is not 1
 *     "i": [shape of event 0, …]            left out when there is one shape
 *     "id": […], "t": [ms, …],              ids and times
 *     "src": […], "tp": […],                source and traceparent, left out when no event has one; null where one has none
 *     "d": [[column, …], …] }               data by shape: one column a field, or one column of whole values where the shape has none
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { messageOf, TerminalError } from "../core/errors.ts";
import { checksum, eventId } from "../core/hash.ts";
import type { Envelope, Envelopes } from "./envelope.ts";
import { type Fields, isNamed } from "./fields.ts";
import type { UnnumberedFrame } from "./port.ts";

type Shape = readonly [type: string, fields: readonly string[] | null, version?: number];

interface Body {
  readonly s: readonly Shape[];
  readonly i?: readonly number[];
  readonly id: readonly string[];
  readonly t: readonly number[];
  readonly src?: readonly (string | null)[];
  readonly tp?: readonly (string | null)[];
  readonly d: readonly (readonly (readonly unknown[])[])[];
}

/** A frame with more shapes than this is not worth its columns: further shapes keep their data whole. */
const maxShapes = 64;

/** Events at most in a frame, and bytes of its body, deflated or not. */
export const frameLimits = { maxEvents: 500, maxBytes: 256 * 1024 } as const;
/** What an event may measure as JSON, bytes. */
export const maxEventBytes = 256 * 1024;
/** A body may not grow beyond this when it is inflated. */
const maxInflatedBytes = 64 * 1024 * 1024;

/** Encodes 1 to `frameLimits.maxEvents` envelopes whose data is JSON. */
export function encodeFrame(envelopes: readonly Envelope[], codec: "j" | "jz" = "j"): UnnumberedFrame {
  const shapes: Shape[] = [];
  const columns: unknown[][][] = [];
  const known = new Map<string, number>();
  const index: number[] = [];
  let minTime = Number.POSITIVE_INFINITY;
  let maxTime = Number.NEGATIVE_INFINITY;
  for (const { type, version = 1, data, time } of envelopes) {
    minTime = Math.min(minTime, time);
    maxTime = Math.max(maxTime, time);
    const fields = shapes.length < maxShapes ? fieldsOf(data) : null;
    // The number of fields comes first: without it, no fields and one field without a name would be one shape.
    const name = fields ? `${fields.length}\n${version}\n${type}\n${fields.join("\n")}` : `-\n${version}\n${type}`;
    let shape = known.get(name);
    if (shape === undefined) {
      shape = shapes.push(version === 1 ? [type, fields] : [type, fields, version]) - 1;
      known.set(name, shape);
      columns.push(fields ? fields.map(() => []) : [[]]);
    }
    index.push(shape);
    const target = columns[shape] as unknown[][];
    if (fields) fields.forEach((field, k) => target[k]?.push((data as Record<string, unknown>)[field]));
    else target[0]?.push(data);
  }
  const body: Body = {
    s: shapes,
    ...(shapes.length > 1 && { i: index }),
    id: envelopes.map((envelope) => envelope.id),
    t: envelopes.map((envelope) => envelope.time),
    ...(envelopes.some((envelope) => envelope.source !== undefined) && {
      src: envelopes.map((envelope) => envelope.source ?? null),
    }),
    ...(envelopes.some((envelope) => envelope.traceparent !== undefined) && {
      tp: envelopes.map((envelope) => envelope.traceparent ?? null),
    }),
    d: columns,
  };
  const json = Buffer.from(JSON.stringify(body));
  const bytes = codec === "jz" ? deflateRawSync(json, { level: 1 }) : json;
  return { count: envelopes.length, codec, minTime, maxTime, checksum: checksum(bytes), body: bytes };
}

/**
 * The number of events that a frame's field `n` announces; 1 where it is not a number that a frame can have. The scripts of the
 * Redis driver count by the same rule, so that what is read and what becomes of it agree, however broken the frame.
 */
export const announcedEvents = (n: Buffer | undefined): number => (/^[1-9]\d{0,2}$/.test(String(n)) ? Number(n) : 1);

/** Whether an entry is a frame: the same test, on the same fields, by which the scripts of the Redis driver count events. */
export const isFrame = (fields: readonly Buffer[]): boolean =>
  fields.length > 9 && isNamed(fields[0] as Buffer, "v") && isNamed(fields[8] as Buffer, "n");

/** The fields of a plain object; null for anything else, and where `undefined` or `__proto__` would not survive columns. */
function fieldsOf(data: unknown): readonly string[] | null {
  if (typeof data !== "object" || data === null || Array.isArray(data)) return null;
  const fields = Object.keys(data);
  for (const field of fields) {
    if (field === "__proto__" || field.includes("\n") || (data as Record<string, unknown>)[field] === undefined) return null;
  }
  return fields;
}

/**
 * Decodes a frame's fields.
 * @throws TerminalError `frame.undecodable`, whose message says which part is wrong
 */
export function decodeFrame(fields: Fields): Envelopes {
  const text = (name: string) => String(fields.get(name) ?? "");
  if (text("v") !== "1") throw undecodable(`its version is '${text("v")}', this reader knows 1`);
  const bytes = fields.get("d");
  if (!bytes) throw undecodable("it has no body");
  if (text("h") !== checksum(bytes)) throw undecodable("its checksum does not fit its body");
  if (text("c") !== "j" && text("c") !== "jz") throw undecodable(`its codec is '${text("c")}', this reader knows j and jz`);
  let body: Body;
  try {
    const json = text("c") === "jz" ? inflateRawSync(bytes, { maxOutputLength: maxInflatedBytes }) : bytes;
    body = JSON.parse(json.toString("utf8"));
  } catch (error) {
    throw undecodable(messageOf(error));
  }
  const count = announcedEvents(fields.get("n"));
  if (String(count) !== text("n") || count > frameLimits.maxEvents)
    throw undecodable(`it announces '${text("n")}' events, and holds 1 to ${frameLimits.maxEvents}`);
  if (!Array.isArray(body?.id) || body.id.length !== count)
    throw undecodable(`it does not hold the ${count} events that it announces`);
  try {
    return new FrameEnvelopes(body, count);
  } catch (error) {
    throw error instanceof TerminalError ? error : undecodable(messageOf(error));
  }
}

/** The events of a decoded frame. Each is put together when it is asked for: most live as long as one stage call. */
class FrameEnvelopes implements Envelopes {
  readonly length: number;
  readonly #body: Body;
  /** The place of each event in the columns of its shape. */
  readonly #places: Uint16Array;

  /** @throws TerminalError, or whatever reading a body of another form throws */
  constructor(body: Body, length: number) {
    if (!body.s.every(isShape)) throw undecodable("a shape is not a type with its fields");
    const places = new Uint16Array(length);
    const next = body.s.map(() => 0);
    for (let i = 0; i < length; i++) {
      if (typeof body.id[i] !== "string" || typeof body.t[i] !== "number") throw undecodable(`event ${i} lacks its id or time`);
      const shape = body.i ? (body.i[i] as number) : 0;
      const place = next[shape];
      if (place === undefined) throw undecodable(`event ${i} has no shape`);
      places[i] = place;
      next[shape] = place + 1;
    }
    // A column that is too short would make fields vanish.
    if (
      body.d.length !== body.s.length ||
      body.d.some((columns, shape) => !areColumns(columns, body.s[shape] as Shape, next[shape] as number))
    ) {
      throw undecodable("its columns do not fit its events");
    }
    this.length = length;
    this.#body = body;
    this.#places = places;
  }

  at(index: number): Envelope {
    const { s, i, id, t, src, tp, d } = this.#body;
    const shape = i ? (i[index] as number) : 0;
    const [type, fields, version] = s[shape] as Shape;
    const columns = d[shape] as readonly (readonly unknown[])[];
    const place = this.#places[index] as number;
    return {
      id: eventId(id[index] as string),
      type,
      time: t[index] as number,
      source: textOf(src?.[index]),
      traceparent: textOf(tp?.[index]),
      version,
      data: fields ? objectOf(fields, columns, place) : columns[0]?.[place],
    };
  }
}

function objectOf(fields: readonly string[], columns: readonly (readonly unknown[])[], place: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let k = 0; k < fields.length; k++) object[fields[k] as string] = (columns[k] as readonly unknown[])[place];
  return object;
}

/** `__proto__` is no field: assigning to it would change the object's prototype instead. Encoders keep such data whole. */
const isShape = ([type, fields, version = 1]: Shape): boolean =>
  typeof type === "string" &&
  Number.isSafeInteger(version) &&
  (fields === null || (Array.isArray(fields) && fields.every((field) => typeof field === "string" && field !== "__proto__")));

const areColumns = (columns: unknown, [, fields]: Shape, events: number): boolean =>
  Array.isArray(columns) &&
  columns.length === (fields?.length ?? 1) &&
  columns.every((column) => Array.isArray(column) && column.length === events);

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const undecodable = (what: string) => new TerminalError("frame.undecodable", `the frame cannot be read: ${what}`);
