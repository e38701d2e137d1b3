/**
 * The plain entry: one event that another program wrote, in one of two forms.
 * - a field `data` that holds the whole event as JSON: `{"id"?, "type", "version"?, "time"?, "source"?, "traceparent"?, "data"}`;
 * - CloudEvents attributes as fields: `type`, and `id`, `version`, `time`, `source`, `traceparent` if it likes, beside `data`, the payload as JSON.
 * An event without an id gets one from the name of the stream and the id of the entry: reading it again gives the same one.
 * An event without a time happened when its entry was stored.
 */
import { eventId } from "../core/hash.ts";
import type { Envelope } from "./envelope.ts";
import { isTooDeep, maxEventBytes, maxIdLength, tooDeep, tooLarge } from "./event-limits.ts";
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
  const { id: givenId, type, time, source, traceparent, version, data } = event as Record<string, unknown>;
  if (givenId !== undefined && (typeof givenId !== "string" || givenId === "" || givenId.length > maxIdLength)) {
    return refuse("bad-id", `the event's id is not a string of 1 to ${maxIdLength} characters`, { type });
  }
  const id = givenId === undefined ? idOfEntry(origin) : eventId(givenId);
  if (typeof type !== "string" || type === "") return refuse("no-type", "the event has no type", { id });
  const at = time === undefined ? Number(origin.entry.split("-")[0]) : parseTime(time);
  if (at === undefined)
    return refuse("bad-time", `the event's time is not an RFC 3339 time: ${JSON.stringify(time)?.slice(0, 60)}`, { type, id });
  const envelope = { id, type, time: at, source: stringOf(source), traceparent: stringOf(traceparent), data };
  if (version === undefined) return { kind: "event", envelope };
  const number = Number(version);
  if (!Number.isSafeInteger(number) || number < 1)
    return refuse(
      "bad-version",
      `the event's version is not a whole number from 1 on: ${JSON.stringify(version)?.slice(0, 60)}`,
      {
        type,
        id,
      },
    );
  return { kind: "event", envelope: { ...envelope, version: number } };
}

const stringOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** Milliseconds since the epoch of an RFC 3339 time; `undefined` for anything else. */
export function parseTime(time: unknown): number | undefined {
  const match = typeof time === "string" ? rfc3339.exec(time) : null;
  if (!match) return undefined;
  const [text, year, month, day] = match;
  // Date.parse takes 30 February for 1 March.
  if (Number(day) > 28 && new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate() < Number(day)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

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
