import type { Fence, FrameLink, OutboxEntry, PartitionLog, Relayed } from "../../bus/port.ts";
import { at } from "../../core/at.ts";
import { RetryableError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { isLacking, type OutboxReader } from "./outbox-reader.ts";
import { isSameLink, lacksFrames, Strays } from "./strays.ts";

export interface LogWriterDeps {
  readonly bus: PartitionLog;
  readonly logger: Logger;
  readonly outbox: OutboxReader;
  /** Aborts when this worker no longer owns the partition. */
  readonly gone: AbortSignal;
}

/**
 * Stores the frames of an outbox in their logs, each behind the one before it, also where Redis has gone back to an earlier state of one of
 * the two.
 */
export class LogWriter {
  readonly #fence: Fence;
  readonly #deps: LogWriterDeps;
  readonly #strays: Strays;

  constructor(fence: Fence, deps: LogWriterDeps) {
    this.#fence = fence;
    this.#deps = deps;
    this.#strays = new Strays(fence, deps);
  }

  /**
   * Stores frames of one log in their order. `stored`: takes the ids of those that are there, also where it fails half way.
   * @throws whatever has kept a frame from being stored: those behind it are left
   */
  async store(frames: readonly OutboxEntry[], stored: Set<string>): Promise<void> {
    for (let i = 0; i < frames.length && !this.#deps.gone.aborted; i++) {
      const entry = at(frames, i);
      const answer = await this.#deps.bus.relay(this.#strays.without(entry));
      if (answer.kind !== "unlinked") {
        this.#noteStored(entry, answer, stored);
        continue;
      }
      const { last } = answer;
      const later = frames.findIndex(({ frame }) => last && isSameLink(frame, last));
      if (later > i) {
        // Another relay has stored these, and not taken them off.
        for (const { id } of frames.slice(i, later + 1)) stored.add(id);
        i = later;
      } else if (isSameLink(last, entry.after)) this.#noteStored(entry, await this.#retell(entry), stored);
      else this.#noteStored(entry, await this.#linkAnew(entry, last, { frames, stored }), stored);
    }
  }

  #noteStored({ id, to }: OutboxEntry, { kind }: Relayed, stored: Set<string>): void {
    if (kind === "superseded" || kind === "unlinked")
      throw new RetryableError("lease.lost", `${to.name}: another relay of this outbox has come in between`);
    stored.add(id);
  }

  /** The log holds strays that this owner did not know of. */
  async #retell(entry: OutboxEntry): Promise<Relayed> {
    await this.#strays.open(entry.to);
    return this.#deps.bus.relay(this.#strays.without(entry));
  }

  async #linkAnew(
    entry: OutboxEntry,
    last: Parameters<Strays["relink"]>[1],
    { frames, stored }: { readonly frames: readonly OutboxEntry[]; readonly stored: Set<string> },
  ): Promise<Relayed> {
    const { bus, gone } = this.#deps;
    const { partition, pipeline } = this.#fence;
    if (lacksFrames(entry.after, last)) await this.#makeWay(entry, last, { frames, stored });
    if (gone.aborted) return { kind: "superseded" };
    const instead = await this.#strays.relink(entry, last);
    const answer = await bus.relay({ ...this.#strays.without(entry), instead });
    if (answer.kind === "stored" && instead.vanished > 0)
      await bus.tellVanished(partition, instead.vanished, { pipeline, kind: "derived" });
    return answer;
  }

  /** @throws RetryableError where something in the outbox has to go first */
  async #makeWay(
    entry: OutboxEntry,
    last: FrameLink | undefined,
    { frames, stored }: { readonly frames: readonly OutboxEntry[]; readonly stored: Set<string> },
  ): Promise<void> {
    const { outbox, gone } = this.#deps;
    const obstacle = await outbox.obstacleTo(entry, last, gone);
    if (obstacle.kind === "none") return;
    for (const frame of frames) if (isLacking(frame, last)) stored.delete(frame.id);
    throw new RetryableError("outbox.unreadable", `the record ${obstacle.id} of the outbox has to go first`);
  }
}

/** Something in the outbox has to go first. */
export const isObstacle = (error: unknown): boolean => error instanceof RetryableError && error.code === "outbox.unreadable";
