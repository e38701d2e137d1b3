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
 *     "by": [producer | null, …]            derived events: the producers of what they were made of, null of no single event; else left out
 *     "b": [place of event 0 in "by", …]    left out when there is one
 *     "d": [[column, …], …] }               data by shape: one column a field, or one column of whole values where the shape has none
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { messageOf } from "../core/errors.ts";
import { checksum } from "../core/hash.ts";
import { isRecord } from "../core/is-record.ts";
import { systemCode } from "../core/system-code.ts";
import type { Envelope, Envelopes } from "./envelope.ts";
import { type Fields, isNamed } from "./fields.ts";
import { type Body, type EventShape, readBody, undecodable } from "./frame-envelopes.ts";
import type { UnnumberedFrame } from "./port.ts";

/** A frame with more shapes than this is not worth its columns: further shapes keep their data whole. */
const maxShapes = 64;

/** Events at most in a frame that is written, and bytes of what they measure as JSON. */
export const frameLimits = { maxEvents: 500, maxBytes: 256 * 1024 } as const;
/** What is read of a body at most, inflated, bytes: more than any frame that keeps to the limits can hold. */
export const maxBodyBytes = 1024 * 1024;

/** Encodes 1 to `frameLimits.maxEvents` envelopes whose data is JSON. */
export function encodeFrame(envelopes: readonly Envelope[], codec: "j" | "jz" = "j"): UnnumberedFrame {
  const shapes: EventShape[] = [];
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
    ...(envelopes.some((envelope) => envelope.by !== undefined) && makersOf(envelopes)),
    d: columns,
  };
  const json = Buffer.from(JSON.stringify(body));
  const bytes = codec === "jz" ? deflateRawSync(json, { level: 1 }) : json;
  return { count: envelopes.length, codec, minTime, maxTime, checksum: checksum(bytes), body: bytes };
}

function makersOf(envelopes: readonly Envelope[]): Pick<Body, "by" | "b"> {
  const places = new Map<string | null, number>();
  const b = envelopes.map(({ by = null }) => {
    const known = places.get(by);
    if (known === undefined) places.set(by, places.size);
    return known ?? places.size - 1;
  });
  const by = [...places.keys()];
  return by.length === 1 ? { by } : { by, b };
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
  if (!isRecord(data)) return null;
  const fields = Object.keys(data);
  for (const field of fields) {
    if (field === "__proto__" || field.includes("\n") || data[field] === undefined) return null;
  }
  return fields;
}

/**
 * Decodes a frame's fields. Whatever they hold, the answer is events or this error, and nothing grows beyond `maxBodyBytes`.
 * @throws TerminalError `frame.undecodable`, whose message says which part is wrong
 */
export function decodeFrame(fields: Fields): Envelopes {
  const text = (name: string) => String(fields.get(name)?.subarray(0, 32) ?? "");
  if (text("v") !== "1") throw undecodable(`its version is '${text("v")}', this reader knows 1`);
  const bytes = fields.get("d");
  if (!bytes) throw undecodable("it has no body");
  if (bytes.length > maxBodyBytes) throw tooLong();
  if (text("h") !== checksum(bytes)) throw undecodable("its checksum does not fit its body");
  const codec = text("c");
  if (codec !== "j" && codec !== "jz") throw undecodable(`its codec is '${codec}', this reader knows j and jz`);
  const count = announcedEvents(fields.get("n"));
  if (String(count) !== text("n") || count > frameLimits.maxEvents)
    throw undecodable(`it says that it holds '${text("n")}' events, and a frame holds 1 to ${frameLimits.maxEvents}`);
  return readBody(codec === "jz" ? inflate(bytes) : bytes, count);
}

function inflate(bytes: Buffer): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: maxBodyBytes });
  } catch (error) {
    if (systemCode(error) === "ERR_BUFFER_TOO_LARGE") throw tooLong();
    throw undecodable(`its body cannot be inflated: ${messageOf(error)}`);
  }
}

const tooLong = () => undecodable(`its body measures more than ${maxBodyBytes} bytes`);
