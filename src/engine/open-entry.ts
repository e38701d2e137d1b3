import type { Envelopes } from "../bus/envelope.ts";
import { EntryFields } from "../bus/fields.ts";
import { decodeFrame, isFrame } from "../bus/frame.ts";
import { idOfEntry, originOf } from "../bus/origin.ts";
import type { Partition } from "../bus/partition.ts";
import { decodePlainEntry } from "../bus/plain-entry.ts";
import type { DeadLetterDraft, Entry } from "../bus/port.ts";
import { messageOf } from "../core/errors.ts";
import { describeFailure } from "../stages/pursue.ts";

export type Opened =
  | {
      readonly kind: "opened";
      readonly envelopes: Envelopes;
      /** Decodes a frame once more. `undefined` for an entry that is one event. */
      readonly decode: (() => Envelopes) | undefined;
      /** Who stored the frame; empty for an entry that is one event. */
      readonly producer: string;
    }
  | { readonly kind: "refused"; readonly letter: Omit<DeadLetterDraft, "entry" | "index" | "original"> };

/**
 * Decodes an entry of a partition: a frame, or one event that another program wrote. Anyone may have written it: whatever
 * it does to the decoder is its own fault, and no other entry's.
 */
export function openEntry(partition: Pick<Partition, "log" | "reads">, entry: Entry): Opened {
  try {
    return decode(partition, entry);
  } catch (error) {
    const letter = { stage: "decode", reason: "undecodable", error: describeFailure(error), type: "" };
    return { kind: "refused", letter: { ...letter, eventId: idOfEntry({ log: partition.log, entry: entry.id }) } };
  }
}

function decode(partition: Pick<Partition, "log" | "reads">, { id, fields }: Entry): Opened {
  const named = new EntryFields(fields ?? []);
  const refuse = (letter: { reason: string; error: string; type?: string; id?: string }): Opened => {
    const { reason, error, type = "", id: eventId = idOfEntry(originOf(partition.log, id, named)) } = letter;
    return { kind: "refused", letter: { stage: "decode", reason, error, type, eventId } };
  };
  if (!fields) return refuse({ reason: "trimmed", error: "the entry was removed from the stream before it was acked" });
  if (!isFrame(fields)) {
    const plain = decodePlainEntry(partition, id, named);
    if (plain.kind === "refused") return refuse(plain);
    return { kind: "opened", envelopes: [plain.envelope], decode: undefined, producer: "" };
  }
  try {
    // It is written down with each commit of keyed state: a long name is not.
    const producer = String(named.get("pid")?.subarray(0, 128) ?? "");
    return { kind: "opened", envelopes: decodeFrame(named), decode: () => decodeFrame(named), producer };
  } catch (error) {
    return refuse({ reason: "undecodable", error: messageOf(error) });
  }
}
