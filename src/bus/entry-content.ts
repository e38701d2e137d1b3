import { isHalved } from "../core/half-character.ts";
import { hash32 } from "../core/hash.ts";
import { isRecord } from "../core/is-record.ts";
import type { EntryReading } from "../plan/plan.ts";
import type { Attributes } from "./attributes.ts";
import type { Fault } from "./envelope.ts";
import { halved, isDeeper, maxDepth, maxEventBytes, tooDeep, tooLarge } from "./event-limits.ts";
import type { Fields } from "./fields.ts";
import { originField } from "./origin.ts";
import { decodeUtf8, readJson } from "./read-json.ts";

/** The event of an entry, before its attributes were looked at. */
export interface EntryContent {
  readonly kind: "content";
  readonly event: Readonly<Record<string, unknown>>;
  /** The bytes that hold the payload, or the whole event; `undefined` where a function has read it. */
  readonly bytes: Buffer | undefined;
  /** The attributes are fields of their own. */
  readonly hasAttributes: boolean;
}

export type EntryContentResult = EntryContent | ({ readonly kind: "refused" } & Fault);

const inData: EntryReading = { kind: "field", field: "data" };

/** Takes the event out of the fields of a plain entry. */
export const entryContent = (fields: Fields, id: string, reads: EntryReading = inData): EntryContentResult =>
  reads.kind === "field" ? fromField(fields, reads.field) : fromFields(fields, id, reads.read);

/** A hash of all that the producer of an event said, but for its trace: each attempt to send it may have one of its own. */
export function contentHash({ event, bytes, hasAttributes }: EntryContent, read: Attributes): number {
  const { type, time, version, traceparent } = read;
  if (bytes && hasAttributes) return hash32(bytes, hash32(Buffer.from(`${type}\n${time}\n${version}`)));
  if (bytes && traceparent === undefined) return hash32(bytes);
  return hash32(Buffer.from(JSON.stringify([type, time, version, event["data"]])));
}

function fromField(fields: Fields, name: string): EntryContentResult {
  // What came out of a frame lies in `data` where it is replayed.
  const bytes = fields.get(name) ?? (fields.has(originField) ? fields.get("data") : undefined);
  if (!bytes) return refused("no-data-field", noField(fields, name));
  if (bytes.length === 0) return refused("empty", `the field '${name}' is empty`);
  const json = readJson(bytes, `the field '${name}'`);
  if (json.kind === "refused") return json;
  const { value } = json;
  const hasAttributes = fields.has("type");
  const event = hasAttributes ? { ...attributesOf(fields), data: value } : value;
  if (!isRecord(event)) return refused("not-an-object", "the event is not a JSON object");
  return { kind: "content", event, bytes, hasAttributes };
}

function fromFields(
  fields: Fields,
  id: string,
  read: Extract<EntryReading, { readonly kind: "fields" }>["read"],
): EntryContentResult {
  const texts: Record<string, string> = {};
  let size = 0;
  for (const name of fields.keys()) {
    const bytes = fields.get(name);
    // Where a name comes twice, the first counts.
    if (!bytes || name === originField || Object.hasOwn(texts, name)) continue;
    size += name.length + bytes.length;
    if (size > maxEventBytes) return refused("too-large", tooLarge(size));
    const text = decodeUtf8(bytes);
    if (text === undefined) return refused("not-utf8", `the field '${name.slice(0, 100)}' is not UTF-8 text`);
    Object.defineProperty(texts, name, { value: text, enumerable: true });
  }
  let event: unknown;
  try {
    event = read(texts, id);
  } catch (error) {
    return refused("unreadable", `reading the entry failed: ${error instanceof Error ? error.message.slice(0, 300) : error}`);
  }
  if (!isRecord(event)) return refused("unreadable", "reading the entry gave no event");
  if (isDeeper(event["data"], maxDepth - 1)) return refused("too-deep", tooDeep);
  if (isHalved(event)) return refused("half-character", halved);
  const { time } = event;
  return {
    kind: "content",
    event: time instanceof Date ? { ...event, time: timeText(time) } : event,
    bytes: undefined,
    hasAttributes: false,
  };
}

const timeText = (time: Date): string => (Number.isNaN(time.getTime()) ? "an invalid date" : time.toISOString());

const refused = (reason: string, error: string): EntryContentResult => ({ kind: "refused", reason, error });

function noField(fields: Fields, name: string): string {
  const names = [...fields.keys()].slice(0, 10).join(", ").slice(0, 200);
  const first = [...fields.keys()][0]?.slice(0, 50) ?? "body";
  return (
    `the entry has no field '${name}'; it has: ${names}. Where another field holds the event, adopt the stream with ` +
    `adopt: { key, field: "${first}" }; where the fields are the event, with adopt: { key, read: (fields, id) => … }`
  );
}

function attributesOf(fields: Fields): Record<string, string> {
  const names = ["id", "type", "version", "time", "source", "traceparent"];
  return Object.fromEntries(names.filter((name) => fields.has(name)).map((name) => [name, String(fields.get(name))]));
}
