import { bytesOf } from "../../bus/entry-bytes.ts";
import { timeOfEntry } from "../../bus/entry-id.ts";
import type { Envelope, Fault } from "../../bus/envelope.ts";
import { idOfEntry } from "../../bus/origin.ts";
import type { Partition } from "../../bus/partition.ts";
import { deliveryLimits, type Entry } from "../../bus/port.ts";
import { hours } from "../../core/duration.ts";
import { type AdmittedEvent, compileAdmission, isFault } from "../../stages/admit.ts";
import { concernsEveryone, describeFailure } from "../../stages/failures.ts";
import type { NameDraft, Naming } from "../../state/known-names.ts";
import { type OpenedEntry, openEntry } from "./open-entry.ts";
import type { BatchResults } from "./results.ts";

/** How far Redis' clock may be ahead of ours, milliseconds. */
const maxAheadMs = hours(1);

/** What became of opening an entry: one that cannot be read is a dead letter already. */
type OpenedInto = OpenedEntry | { readonly kind: "set-aside" };

/** Opens an entry into the results of its batch, when it is its turn: decoded, it takes several times its bytes. */
function openInto(results: BatchResults, partition: Partition, entry: Entry): OpenedInto {
  const bytes = bytesOf(entry);
  results.bytes += bytes;
  if (entry.fields && entry.deliveries > deliveryLimits.last) {
    // Reading it may be what crashed its readers, so nothing of it is looked at.
    results.refuseEntry(entry.id, entry.events, {
      stage: "delivery",
      reason: "gave-up",
      error: `it was given out ${deliveryLimits.last} times, and each time its reader ended before it was settled`,
      type: "",
      eventId: idOfEntry({ log: partition.log, entry: entry.id }),
    });
    return { kind: "set-aside" };
  }
  const opened = openEntry(partition, entry);
  if (opened.kind === "refused") {
    results.refuseEntry(entry.id, entry.events, opened.letter);
    return { kind: "set-aside" };
  }
  const { envelopes, producerOf, decode } = opened;
  // An entry of an adopted stream was counted as one when it was read, and may be a frame.
  if (envelopes.length !== entry.events) results.count("read", envelopes.length - entry.events);
  if (decode) results.open({ id: entry.id, events: envelopes.length, decode, producerOf });
  else results.openLone(entry.id, envelopes.at(0) as Envelope);
  if (envelopes.bytes !== undefined) results.bytes += Math.max(0, envelopes.bytes - bytes);
  return opened;
}

/** Takes an event, or what the gate says against it. A promise where the next one has to wait. */
type Visit = (event: AdmittedEvent | Fault, envelope: Envelope, index: number, of: OpenedEntry) => void | Promise<void>;

export interface Opening {
  readonly partition: Partition;
  readonly gate: Gate;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Opens entries one after another, and takes each of their events through the gate. */
export async function openEntries(
  entries: readonly Entry[],
  { results, partition, gate, now }: Opening & { readonly results: BatchResults },
  visit: Visit,
): Promise<void> {
  for (const entry of entries) {
    const opened = openInto(results, partition, entry);
    if (opened.kind === "set-aside") continue;
    const { envelopes } = opened;
    for (let index = 0; index < envelopes.length; index++) {
      const envelope = envelopes.at(index) as Envelope;
      const waiting = visit(gate(envelope, now, results.names), envelope, index, opened);
      if (waiting) await waiting;
    }
  }
}

/** When an entry was stored, milliseconds since the epoch; now, where its id is no time, or one that has not come yet. */
export function storedAt({ id }: Entry, now: number): number {
  const at = timeOfEntry(id) ?? now;
  return at > now + maxAheadMs ? now : at;
}

/** Lets an event of a stream in, or says what is against it. */
type Gate = (envelope: Envelope, now: number, names: NameDraft | undefined) => AdmittedEvent | Fault;

/** What becomes of an event whose name was taken before. */
const again: Readonly<Record<Naming, Fault | undefined>> = {
  new: undefined,
  duplicate: { reason: "duplicate", error: "the same event was taken before" },
  conflict: {
    reason: "conflict",
    error: "an event of this name, which is its source and its id, was taken before, with another time or other content",
  },
};

/**
 * Makes the gate of a stream, which takes the names of the events that it lets through. A schema or a key function is the user's code,
 * and may throw: that is the event's fault.
 */
export function compileGate(stream: Parameters<typeof compileAdmission>[0]): Gate {
  const admit = compileAdmission(stream);
  return (envelope, now, names) => {
    const { fault, id, contentHash } = envelope;
    if (fault) return fault;
    try {
      const event = admit(envelope, now);
      if (!names || contentHash === undefined || isFault(event)) return event;
      return again[names.take(id, contentHash)] ?? event;
    } catch (error) {
      if (concernsEveryone(error)) throw error;
      return { reason: "schema", error: describeFailure(error) };
    }
  };
}
