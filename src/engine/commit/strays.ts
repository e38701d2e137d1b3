import type { Envelope } from "../../bus/envelope.ts";
import { EntryFields, type Fields } from "../../bus/fields.ts";
import { decodeFrame, encodeFrame } from "../../bus/frame.ts";
import { outboxProducer, type Partition } from "../../bus/partition.ts";
import type { Fence, Frame, FrameLink, OutboxEntry, PartitionLog, RelayedFrame } from "../../bus/port.ts";
import type { Logger } from "../../core/log.ts";

/** Entries of one look at a log, and of all looks together: some seconds at full speed. */
const limits = { page: 32, entries: 20_000 } as const;

const none: ReadonlySet<string> = new Set();

type Last = (FrameLink & { readonly sum: number }) | undefined;

/**
 * Strays are events that a log holds of an outbox, and that the outbox does not know of: events of commits that Redis has forgotten, since
 * it went back to an earlier state. The pipeline computes them again with the same ids, but under other numbers and in other frames, and
 * they must not be stored twice. Where it is the log that went back, this finds out how many events are gone from it.
 *
 * They are looked for only where an outbox and a log do not fit together. Their ids are stored beside the log, for the next owners too, so
 * that both go back together. A frame says how many strays its sender knows of, and the log refuses it where there are others.
 * They are stored beside the outbox as well: a log that has gone back may still hold strays whose ids it has lost.
 */
export class Strays {
  readonly #fence: Fence;
  readonly #bus: PartitionLog;
  readonly #logger: Logger;
  readonly #producer: string;
  /** By log. */
  readonly #known = new Map<string, ReadonlySet<string>>();

  constructor(fence: Fence, { bus, logger }: { readonly bus: PartitionLog; readonly logger: Logger }) {
    this.#fence = fence;
    this.#producer = outboxProducer(fence.partition, fence.pipeline);
    this.#bus = bus;
    this.#logger = logger;
  }

  /** Reads what is remembered of a log. */
  async open(to: Partition): Promise<void> {
    this.#known.set(to.log, await this.#bus.strays(to, this.#producer));
  }

  /** A frame without the events that are in its log already. */
  without({ to, frame, after, sum }: OutboxEntry): RelayedFrame {
    const { tenure } = this.#fence;
    const strays = this.#known.get(to.log) ?? none;
    const whole = { to, frame, after, sum, without: 0, strays: strays.size, tenure };
    if (strays.size === 0) return whole;
    const envelopes = decoded(fieldsOf(frame));
    const kept = envelopes.filter(({ id }) => !strays.has(id));
    if (kept.length === envelopes.length) return whole;
    const packed = kept.length > 0 ? encodeFrame(kept, frame.codec) : { count: 0 };
    return { ...whole, frame: { ...frame, ...packed }, without: envelopes.length - kept.length };
  }

  /** The last frame of this outbox in a log is not the one that the next frame names: finds out why, and logs it. */
  async relink({ to, after, sum }: OutboxEntry, last: Last): Promise<NonNullable<RelayedFrame["instead"]>> {
    const { partition, pipeline } = this.#fence;
    const about = { partition: partition.name, pipeline, to: to.name };
    const isBehind = lacksFrames(after, last);
    const mine = isBehind ? (this.#known.get(to.log) ?? (await this.#bus.strays(partition, this.#noteOf(to)))) : none;
    await this.open(to);
    const remembered = this.#known.get(to.log) ?? none;
    // A log that has gone back may have forgotten that they are strays, and still have them, or some of them.
    const found = isBehind
      ? await this.#stillIn(to, new Set([...mine].filter((id) => !remembered.has(id))))
      : await this.#find(to, after);
    const strays = found.filter((id) => !remembered.has(id));
    if (strays.length > 0) {
      await this.#bus.rememberStrays(partition, this.#noteOf(to), strays);
      await this.#bus.rememberStrays(to, this.#producer, strays);
      this.#known.set(to.log, new Set([...remembered, ...strays]));
      this.#logger.error(
        { ...about, events: strays.length },
        "derived events are there of commits that Redis has forgotten: it has gone back to an earlier state; they will not be stored again",
      );
    }
    const vanished = isBehind ? Math.max(after ? 1 : 0, sum - (last?.sum ?? 0)) : 0;
    if (vanished > 0) {
      this.#logger.error(
        { ...about, vanished },
        "derived events that were stored are gone: their log has gone back to an earlier state; what comes now is stored behind what is left",
      );
    }
    return { last: last && { incarnation: last.incarnation, sequence: last.sequence }, vanished };
  }

  /** What the strays of a log are remembered under, beside the outbox. */
  #noteOf = ({ log }: Partition): string => `${this.#producer} ${log}`;

  /** Ids of the events in frames of this outbox behind the one that it knows of, newest first. */
  async #find(to: Partition, known: FrameLink | undefined): Promise<readonly string[]> {
    const ids: string[] = [];
    for await (const fields of this.#newest(to)) {
      const link = { incarnation: Number(fields.get("inc")), sequence: Number(fields.get("fs")) };
      if (known && isUpTo(link, known)) break;
      for (const { id } of decoded(fields)) ids.push(id);
    }
    return ids;
  }

  /** Which of these ids there are in the log. */
  async #stillIn(to: Partition, ids: ReadonlySet<string>): Promise<readonly string[]> {
    const there = new Set<string>();
    if (ids.size === 0) return [];
    for await (const fields of this.#newest(to)) {
      for (const { id } of decoded(fields)) if (ids.has(id)) there.add(id);
      if (there.size === ids.size) break;
    }
    return [...there];
  }

  /** The newest frames of this outbox in a log, newest first. */
  async *#newest(to: Partition): AsyncGenerator<EntryFields> {
    let before: string | undefined;
    for (let looked = 0; looked < limits.entries; ) {
      const page = await this.#bus.newest(to, { before, count: limits.page });
      for (const entry of page) {
        const fields = new EntryFields(entry.fields);
        if (String(fields.get("pid")) === this.#producer) yield fields;
      }
      looked += page.length;
      before = page.at(-1)?.id;
      if (page.length < limits.page) break;
    }
  }
}

/** Whether a log, of which `last` is the last frame there, is without a frame that the next one names. */
export const lacksFrames = (after: FrameLink | undefined, last: FrameLink | undefined): boolean =>
  !last || (after !== undefined && isUpTo(last, after));

export const isSameLink = (one: FrameLink | undefined, other: FrameLink | undefined): boolean =>
  one?.incarnation === other?.incarnation && one?.sequence === other?.sequence;

/** Later incarnations come after earlier ones. */
const isUpTo = (link: FrameLink, known: FrameLink): boolean =>
  link.incarnation < known.incarnation || (link.incarnation === known.incarnation && link.sequence <= known.sequence);

/** The events of a frame; none where it cannot be read. */
function decoded(fields: Fields): readonly Envelope[] {
  try {
    const envelopes = decodeFrame(fields);
    return Array.from({ length: envelopes.length }, (_, i) => envelopes.at(i)).filter((envelope) => envelope !== undefined);
  } catch {
    return [];
  }
}

const fieldsOf = ({ count, codec, checksum, body }: Frame): Fields =>
  new Map([
    ["v", Buffer.from("1")],
    ["n", Buffer.from(String(count))],
    ["c", Buffer.from(codec)],
    ["h", Buffer.from(checksum)],
    ["d", body],
  ]);
