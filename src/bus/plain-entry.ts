/**
 * The plain entry: one event that another program wrote, in one of two forms.
 * - a field `data` that holds the whole event as JSON: `{"id"?, "type", "version"?, "time"?, "source"?, "traceparent"?, "data"}`;
 * - CloudEvents attributes as fields: `type`, and `id`, `version`, `time`, `source`, `traceparent` if it likes, beside `data`, the payload as JSON.
 * An attribute that is null is absent. An event is named by its source and its id together. One without an id gets it from the name of
 * the stream and the id of the entry: reading it again gives the same one. An event without a time happened when its entry was stored.
 */
import { crcOf, eventId } from "../core/hash.ts";
import { readAttributes } from "./attributes.ts";
import { timeOfEntry } from "./entry-id.ts";
import type { Envelope } from "./envelope.ts";
import { isTooDeep, maxEventBytes, tooDeep, tooLarge } from "./event-limits.ts";
import type { Fields } from "./fields.ts";
import { idOfEntry, originOf } from "./origin.ts";

export type PlainResult =
  | { readonly kind: "event"; readonly envelope: Envelope }
  | { readonly kind: "refused"; readonly reason: string; readonly error: string; readonly type: string; readonly id: string };

/** Decodes a plain entry of the Redis stream `log`. A copy in a replay log is the event that its origin was. */
export function decodePlainEntry(log: string, entryId: string, fields: Fields): PlainResult {
  const origin = originOf(log, entryId, fields);
  const refuse = (reason: string, error: string, of: { readonly type?: unknown; readonly id?: string } = {}): PlainResult => ({
    kind: "refused",
    reason,
    error,
    type: typeof of.type === "string" ? of.type.slice(0, 128) : "",
    id: of.id ?? idOfEntry(origin),
  });

  const bytes = fields.get("data");
  if (!bytes)
    return refuse(
      "no-data-field",
      `the entry has no field 'data'; it has: ${[...fields.keys()].slice(0, 10).join(", ").slice(0, 200)}`,
    );
  if (bytes.length === 0) return refuse("empty", "the field 'data' is empty");
  if (bytes.length > maxEventBytes) return refuse("too-large", tooLarge(bytes.length));
  const text = decodeUtf8(bytes);
  if (text === undefined) return refuse("not-utf8", "the field 'data' is not UTF-8 text");
  if (isTooDeep(text)) return refuse("too-deep", tooDeep);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return refuse("not-json", `the field 'data' is not JSON: ${error instanceof Error ? error.message.slice(0, 200) : error}`);
  }

  const attributes = fields.has("type");
  const event = attributes ? { ...attributesOf(fields), data: parsed } : parsed;
  if (typeof event !== "object" || event === null || Array.isArray(event))
    return refuse("not-an-object", "the event is not a JSON object");
  const read = readAttributes(event as Record<string, unknown>);
  const { id: givenId, source: givenSource, type: givenType, data } = event as Record<string, unknown>;
  // Also what is refused is known by its name, where it has one.
  const id = typeof givenId === "string" && givenId !== "" ? eventId(givenId, stringOf(givenSource)) : idOfEntry(origin);
  if (read.kind === "bad") return refuse(read.reason, read.error, { type: givenType, id });
  const { type, source, traceparent, version, time = timeOfEntry(origin.entry) } = read;
  if (time === undefined) {
    const error = `the event has no time, and the id of its entry, ${origin.entry}, is none either: somebody gave it. Send a time with the event, or let Redis give the id: XADD ${log} *`;
    return refuse("no-time", error, { type, id });
  }
  const envelope = { id, type, time, source, traceparent, ...(version !== undefined && { version }), data };
  if (read.id === undefined) return { kind: "event", envelope };
  const contentHash = () => {
    if (attributes) return crcOf(`${type}\n${read.time}\n${version}`) ^ crcOf(bytes);
    // Each attempt to send it may be traced on its own.
    return traceparent === undefined ? crcOf(bytes) : crcOf(JSON.stringify([type, read.time, version, data]));
  };
  return { kind: "event", envelope: { ...envelope, contentHash } };
}

const stringOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

function attributesOf(fields: Fields): Record<string, string> {
  const names = ["id", "type", "version", "time", "source", "traceparent"];
  return Object.fromEntries(names.filter((name) => fields.has(name)).map((name) => [name, String(fields.get(name))]));
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Buffer): string | undefined {
  const text = bytes.toString("utf8");
  // Only a text that holds the replacement character can have been damaged by decoding.
  if (!text.includes("\ufffd")) return text;
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
