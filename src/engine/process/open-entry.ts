import type { Envelopes, Makers } from "../../bus/envelope.ts";
import { EntryFields } from "../../bus/fields.ts";
import { decodeFrame, isFrame } from "../../bus/frame.ts";
import { idOfEntry, originOf } from "../../bus/origin.ts";
import type { Partition } from "../../bus/partition.ts";
import { decodePlainEntry } from "../../bus/plain-entry.ts";
import type { DeadLetterDraft, Entry } from "../../bus/port.ts";
import { at } from "../../core/at.ts";
import { messageOf } from "../../core/errors.ts";
import { checksum } from "../../core/hash.ts";
import { describeFailure } from "../../stages/failures.ts";

/**
 * Whose an event is, by its index: events of one come in the order of its time. That is who stored the frame, and for an event that a
 * pipeline has derived, its outbox and the producer of what it was made of, together. Empty for an entry that is one event.
 */
export type ProducerOf = (index: number) => string;

/** The events of an entry. */
export interface OpenedEntry {
  readonly kind: "opened";
  readonly entry: Entry;
  readonly envelopes: Envelopes;
  /** Decodes a frame once more. `undefined` for an entry that is one event. */
  readonly decode: (() => Envelopes) | undefined;
  readonly producerOf: ProducerOf;
}

export type OpenEntryResult =
  | OpenedEntry
  | { readonly kind: "refused"; readonly letter: Omit<DeadLetterDraft, "entry" | "index" | "original"> };

/**
 * Decodes an entry of a partition: a frame, or one event that another program wrote. Anyone may have written it: whatever
 * it does to the decoder is its own fault, and no other entry's.
 */
export function openEntry(partition: Pick<Partition, "log" | "reads">, entry: Entry): OpenEntryResult {
  try {
    return decode(partition, entry);
  } catch (error) {
    const letter = { stage: "decode", reason: "undecodable", error: describeFailure(error), type: "" };
    return { kind: "refused", letter: { ...letter, eventId: idOfEntry({ log: partition.log, entry: entry.id }) } };
  }
}

function decode(partition: Pick<Partition, "log" | "reads">, entry: Entry): OpenEntryResult {
  const { id, fields } = entry;
  const named = new EntryFields(fields ?? []);
  if (fields && !isFrame(fields)) {
    const plain = decodePlainEntry(partition, id, named);
    if (plain.kind === "refused") return refused(plain);
    return { kind: "opened", entry, envelopes: [plain.envelope], decode: undefined, producerOf: ofNobody };
  }
  const idOf = () => idOfEntry(originOf(partition.log, id, named));
  if (!fields) {
    const error = "the entry was removed from the stream before it was acked";
    return refused({ reason: "trimmed", error, type: "", id: idOf() });
  }
  try {
    const envelopes = decodeFrame(named);
    const producerOf = producersOf(String(named.get("pid") ?? ""), envelopes.makers);
    return { kind: "opened", entry, envelopes, decode: () => decodeFrame(named), producerOf };
  } catch (error) {
    return refused({ reason: "undecodable", error: messageOf(error), type: "", id: idOf() });
  }
}

const refused = ({ reason, error, type, id }: { reason: string; error: string; type: string; id: string }): OpenEntryResult => ({
  kind: "refused",
  letter: { stage: "decode", reason, error, type, eventId: id },
});

const ofNobody: ProducerOf = () => "";

/** The names of producers are stored with each commit of keyed state: long ones are cut. */
function producersOf(pid: string, makers: Makers | undefined): ProducerOf {
  const producer = pid.slice(0, 128);
  if (!makers) return () => producer;
  const { names, of } = makers;
  const producers = names.map((name) => (name === null ? producer : checksum(Buffer.from(`${pid}\n${name}`))));
  return (index) => at(producers, of ? at(of, index) : 0);
}
