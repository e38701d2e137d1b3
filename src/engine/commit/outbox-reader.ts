import { isBefore } from "../../bus/entry-id.ts";
import { keys } from "../../bus/partition.ts";
import type { Fence, FrameLink, OutboxEntry, OutboxRecord, PartitionLog } from "../../bus/port.ts";
import type { Logger } from "../../core/log.ts";
import { isSameLink, lacksFrames } from "./strays.ts";

/** Frames of one look at the outbox. */
const pageSize = 64;

/** Looks at the outbox of one partition, and logs records there that cannot be read. */
export class OutboxReader {
  readonly #fence: Fence;
  readonly #deps: { readonly bus: PartitionLog; readonly logger: Logger };
  /** The newest record that cannot be read, of those that were logged. */
  #unreadable: string | undefined;

  constructor(fence: Fence, deps: { readonly bus: PartitionLog; readonly logger: Logger }) {
    this.#fence = fence;
    this.#deps = deps;
  }

  /** The oldest records behind one of them; without one, of all. */
  async look(after: string | undefined): Promise<readonly OutboxRecord[]> {
    const { partition, pipeline } = this.#fence;
    const page = await this.#deps.bus.outbox(partition, pipeline, {
      count: pageSize,
      ...(after !== undefined && { after }),
    });
    this.#tellUnreadable(page);
    return page;
  }

  /** All records behind one of them, page by page; `signal` ends it. */
  async *pages(from: string | undefined, signal: AbortSignal): AsyncGenerator<readonly OutboxRecord[]> {
    for (let page = await this.look(from); page.length > 0 && !signal.aborted; page = await this.look(page.at(-1)?.id))
      yield page;
  }

  /**
   * What blocks `entry`, whose log lacks an earlier frame: the oldest record before it that cannot be read, or whose frame the log lacks
   * too. (It could not be read a moment ago; or both have gone back, and it is in the outbox again.) None where an operator has removed
   * that record.
   */
  async obstacleTo(
    entry: OutboxEntry,
    last: FrameLink | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly kind: "none" } | { readonly kind: "record"; readonly id: string }> {
    for await (const page of this.pages(undefined, signal)) {
      for (const record of page) {
        if (!isBefore(record.id, entry.id)) return { kind: "none" };
        const isInTheWay = !isReadable(record) || (record.to.log === entry.to.log && isLacking(record, last));
        if (isInTheWay) return { kind: "record", id: record.id };
      }
    }
    return { kind: "none" };
  }

  #tellUnreadable(page: readonly OutboxRecord[]): void {
    const untold = page.flatMap((record) =>
      !isReadable(record) && (this.#unreadable === undefined || isBefore(this.#unreadable, record.id)) ? [record] : [],
    );
    const [first] = untold;
    if (!first) return;
    const { partition, pipeline } = this.#fence;
    this.#unreadable = untold.at(-1)?.id;
    const about = { partition: partition.name, pipeline, outbox: keys.outbox(partition, pipeline), records: untold.length };
    this.#deps.logger.error(
      { ...about, first: first.id, fault: first.fault },
      "derived events cannot be read in the outbox: they are left there",
    );
  }
}

/** Whether a log, of which `last` is the last frame there, is without that of a record. */
export const isLacking = ({ frame }: OutboxEntry, last: FrameLink | undefined): boolean =>
  !isSameLink(frame, last) && lacksFrames(frame, last);

export const isReadable = (record: OutboxRecord): record is OutboxEntry => record.to !== undefined;
