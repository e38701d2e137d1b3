/**
 * The plain entry: one event that another program wrote, in one of two forms.
 * - a field `data` that holds the whole event as JSON: `{"id"?, "type", "version"?, "time"?, "source"?, "traceparent"?, "data"}`;
 * - CloudEvents attributes as fields: `type`, and `id`, `version`, `time`, `source`, `traceparent` if it likes, beside `data`, the payload as JSON.
 * Another field may take the place of `data`, or a function of the application's own that of both forms: `adopt` of a stream says so.
 * An attribute that is null is absent. An event is named by its source and its id together. One without an id gets it from the name of
 * the stream and the id of the entry: reading it again gives the same one. An event without a time happened when its entry was stored.
 */
import { eventId } from "../core/hash.ts";
import { shellWord } from "../core/shell-word.ts";
import { readAttributes } from "./attributes.ts";
import { contentHash, entryContent } from "./entry-content.ts";
import { timeOfEntry } from "./entry-id.ts";
import type { Envelope, Fault } from "./envelope.ts";
import type { Fields } from "./fields.ts";
import { idOfEntry, originOf } from "./origin.ts";
import type { Partition } from "./partition.ts";

export type PlainResult =
  | { readonly kind: "event"; readonly envelope: Envelope }
  | { readonly kind: "refused"; readonly reason: string; readonly error: string; readonly type: string; readonly id: string };

/** Decodes a plain entry of a partition. A copy in a replay log is the event that its origin was. */
export function decodePlainEntry({ log, reads }: Pick<Partition, "log" | "reads">, entryId: string, fields: Fields): PlainResult {
  const origin = originOf(log, entryId, fields);
  const content = entryContent(fields, origin.entry, reads);
  if (content.kind === "refused") return refused(content, "", idOfEntry(origin));
  const { event } = content;
  const read = readAttributes(event);
  const { id: givenId, source: givenSource, type: givenType, data } = event;
  // Also what is refused is known by its name, where it has one.
  const id = typeof givenId === "string" && givenId !== "" ? eventId(givenId, stringOf(givenSource)) : idOfEntry(origin);
  if (read.kind === "bad") return refused(read, givenType, id);
  const { type, source, traceparent, version, time = timeOfEntry(origin.entry) } = read;
  if (time === undefined) {
    const error = `the event has no time, and the id of its entry, ${origin.entry}, is none either: somebody gave it. Send a time with the event, or let Redis give the id: redis-cli XADD ${shellWord(log)} '*' …`;
    return refused({ reason: "no-time", error }, type, id);
  }
  // Of one shape, whatever it has: the stages look at millions.
  const hash = read.id === undefined ? undefined : contentHash(content, read);
  return { kind: "event", envelope: { id, type, time, source, traceparent, version, data, contentHash: hash } };
}

const refused = ({ reason, error }: Fault, type: unknown, id: string): PlainResult => ({
  kind: "refused",
  ...{ reason, error, id },
  type: typeof type === "string" ? type.slice(0, 128) : "",
});

const stringOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
