import { bytesOf } from "../../bus/entry-bytes.ts";
import { isBefore } from "../../bus/entry-id.ts";
import type { Partition } from "../../bus/partition.ts";
import type { Bus, Entry, Fence, ReadResult, WentBack } from "../../bus/port.ts";
import { backoffMs } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { RetryableError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { Outage } from "../../core/outage.ts";
import type { Chain } from "./chain.ts";

/** What the entries of one read are to measure together, bytes. One entry may measure more. */
const readBytes = 4 * 1024 * 1024;
/** Entries of one read at most, and suspects that are tried together at first (deliveryLimits): a frame may hold 500 events. */
const maxEntries = { frames: 64, plain: 1_000 } as const;
/** Entries of the first read. Each is of as many more than the one before: large ones may lie anywhere. */
const firstEntries = { frames: 2, plain: 16 } as const;
const growth = 8;
const retryLimits = { initialMs: 50, maxMs: 5_000 } as const;

/** How far the reading of one log is. */
export interface Cursor {
  readonly fence: Fence;
  /** Entries of the next read: as many as hold the events of one, by those of the last. */
  count: number;
  readonly maxEntries: number;
  /** What an entry measured that was taken last, inflated, bytes. */
  bytesEach: number;
  /** The last read brought as many as were asked for. */
  isFull: boolean;
  from: "pending" | "new";
  /** The last entry received: pending ones are asked for behind it. */
  received: string;
  /** The newest entry that the group was ever given. */
  newest: string;
  /** Nothing new is looked for until then, by the monotonic clock, while the other log has something: there was none at the last look. */
  idleUntil: number;
  /** A former owner has read after it lost the lease. */
  stolen: boolean;
}

/** The beginning of one log: `newest` is the newest entry that the group was given by then. */
export function cursorOn(
  partition: Partition,
  fence: Fence,
  { newest, kind }: { readonly newest: string; readonly kind: "frames" | "plain" },
): Cursor {
  return {
    fence: { ...fence, partition },
    count: firstEntries[kind],
    maxEntries: maxEntries[kind],
    bytesEach: 0,
    isFull: false,
    from: "pending",
    received: "0-0",
    newest,
    idleUntil: 0,
    stolen: false,
  };
}

export interface LogReaderOptions {
  /** Events that one read is to bring. */
  readonly eventsPerRead: number;
  readonly chain: Chain;
  /** Called when the lease is gone, or Redis has gone back. */
  onLost(back: WentBack | undefined): void;
}

/** Reads the logs of one partition, as its owner, with what follows from answers that were lost on the way. */
export class LogReader {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #outage: Outage;
  readonly #options: LogReaderOptions;
  /** Reads in a row that failed. Their answers may have been lost on the way, with entries given out. */
  #failures = 0;

  constructor(
    { bus, clock, logger }: { readonly bus: Bus; readonly clock: Clock; readonly logger: Logger },
    options: LogReaderOptions,
  ) {
    this.#bus = bus;
    this.#clock = clock;
    this.#outage = new Outage({ began: "reading failed, trying again", over: "reading goes on" }, { clock, logger });
    this.#options = options;
  }

  /** The next entries of a log, and the cursor behind them. `undefined` when it failed: then pending ones are next. */
  async read(from: Cursor, suspects: number): Promise<ReadResult | undefined> {
    const { chain, onLost } = this.#options;
    const { count, fence } = from;
    const about = { partition: fence.partition.name, pipeline: fence.pipeline };
    try {
      const result = await this.#bus.read(fence, { from: from.from, after: from.received, count, suspects, known: chain.known });
      const excused = this.#failures;
      this.#failures = 0;
      this.#outage.over(about);
      if (result.kind === "went-back" || result.kind === "fenced") onLost(result.kind === "fenced" ? undefined : result);
      if (result.kind !== "entries") return result;
      chain.given(result.reads, fence.partition.side === "main" ? result.entries : []);
      from.stolen = result.stolen === true;
      this.#move(from, result.entries);
      return excused === 0 ? result : { ...result, entries: excuse(result.entries, excused) };
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      this.#failures++;
      this.#outage.failed(error, about);
      from.from = "pending";
      return undefined;
    }
  }

  /** Rests where the last read has failed. */
  async pause(signal: AbortSignal): Promise<void> {
    if (this.#failures > 0) await this.#clock.sleep(backoffMs(this.#failures, retryLimits), signal);
  }

  #move(from: Cursor, entries: readonly Entry[]): void {
    const newest = entries.at(-1)?.id;
    if (newest === undefined) return;
    from.received = newest;
    // Also for pending entries: those of a read whose answer was lost are newer than what we knew of.
    if (isBefore(from.newest, newest)) from.newest = newest;
    from.isFull = entries.length >= from.count;
    from.count = this.#nextCount(from, entries);
  }

  /** As many entries as hold the events and the bytes that one read is to bring. */
  #nextCount({ count, maxEntries: most, bytesEach }: Cursor, entries: readonly Entry[]): number {
    const mean = (of: (entry: Entry) => number) => entries.reduce((sum, entry) => sum + of(entry), 0) / entries.length;
    const events = this.#options.eventsPerRead / mean((entry) => entry.events);
    const fits = Math.min(events, readBytes / Math.max(bytesEach, mean(bytesOf)));
    return Math.min(most, growth * count, Math.max(1, Math.round(fits)));
  }
}

/** An answer that was lost has killed nobody. */
const excuse = (entries: readonly Entry[], times: number): readonly Entry[] =>
  entries.map((entry) => ({ ...entry, deliveries: Math.max(1, entry.deliveries - times) }));
