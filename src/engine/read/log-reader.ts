import { setImmediate } from "node:timers/promises";
import { bytesOf } from "../../bus/entry-bytes.ts";
import { ageOf } from "../../bus/entry-id.ts";
import { type Partition, replayOf } from "../../bus/partition.ts";
import type { Entry, Fence, PartitionLog, Watch, WentBack } from "../../bus/port.ts";
import { backoffMs, workBackoff } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { RetryableError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { Outage } from "../../core/outage.ts";
import type { Telemetry } from "../../telemetry/port.ts";
import type { Batch } from "./batch.ts";
import { type Cursor, cursorOn, move, sumOf } from "./cursor.ts";
import type { OwnerHistory } from "./owner-history.ts";

/** How long a log that has brought nothing is left alone while the other one has something, milliseconds. */
const idleMs = 1_000;

/** `main`: the log of the partition; `replay`: what is replayed to this pipeline alone. */
export type LogSide = Partition["side"];

/** What became of a read. */
export type Reading =
  | { readonly kind: "batch"; readonly batch: Batch }
  /** All that was pending is read: new entries are next. */
  | { readonly kind: "caught-up" }
  /** There is nothing new. */
  | { readonly kind: "nothing" }
  /** The next entries are suspects, which may crash the process: they have to be asked for. */
  | { readonly kind: "suspects"; readonly side: LogSide }
  /**
   * A former owner has read after it lost the lease. The entries of this read may be newer than those that it took: they are dropped, and
   * all that is pending is read again.
   */
  | { readonly kind: "stolen"; readonly side: LogSide }
  /** The read failed, and may have given entries out all the same. What is pending is read next. */
  | { readonly kind: "failed" }
  | OwnershipEnd;

/** Why this worker no longer owns the partition. */
export type OwnershipEnd = { readonly kind: "fenced" } | WentBack;

export interface LogReaderDeps {
  readonly bus: PartitionLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

export interface LogReaderOptions {
  /** The newest entry that the group was given before. */
  readonly lastDelivered: string;
  /** Events that one read is to bring. */
  readonly eventsPerRead: number;
  readonly history: OwnerHistory;
  /** Called when an answer shows that this worker no longer owns the partition. */
  readonly onEnd: (why: OwnershipEnd) => void;
}

/**
 * Reads the two logs of one partition, as its owner: its own, and what is replayed to the pipeline. Of each, what is pending goes first,
 * which is what an earlier owner was given and did not ack. Entries of a read whose answer was lost are pending too: after a failed read,
 * the pending entries behind the last one received are read first.
 */
export class LogReader {
  readonly #deps: LogReaderDeps;
  readonly #options: LogReaderOptions;
  readonly #outage: Outage;
  readonly #cursors: Readonly<Record<LogSide, Cursor>>;
  /** The log that was read last. */
  #last: Cursor;
  /** The next read of that log, under way while the batch before is taken through the stages. */
  #ahead: Promise<Reading> | undefined;
  /** How many reads have failed in a row. Redis may have given entries out, and the answer was lost. */
  #failures = 0;
  /** How long to rest behind the last one that failed, milliseconds. */
  #waitMs = 0;

  constructor(fence: Fence, deps: LogReaderDeps, options: LogReaderOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#outage = new Outage({ began: "reading failed, trying again", over: "reading goes on" }, deps);
    const { partition, pipeline } = fence;
    const kind = partition.adopted ? "plain" : "frames";
    const replay = { ...fence, partition: replayOf(partition, pipeline) };
    this.#cursors = {
      main: cursorOn(fence, { newest: options.lastDelivered, kind }),
      replay: cursorOn(replay, { newest: "0-0", kind: "frames" }),
    };
    this.#last = this.#cursors.replay;
  }

  /** What was given out before is read again, not something new. */
  get isReplaying(): boolean {
    return this.#last.from === "pending";
  }

  /** The last read brought as much as it may: there is more, perhaps. */
  get isFull(): boolean {
    return this.#last.isFull;
  }

  /** Reads both logs in turn, as long as both have something. */
  next(): Promise<Reading> {
    const begun = this.#ahead;
    this.#ahead = undefined;
    if (begun) return begun;
    if (!this.#isIdle(this.#other)) this.#last = this.#other;
    return this.#read(this.#last, 0);
  }

  /**
   * Begins the next read where more is to be expected: Redis makes it ready while this batch goes through the stages. The client sends at
   * the end of a turn of the event loop, so one turn is let pass.
   */
  async readAhead(): Promise<void> {
    if (this.isReplaying || !this.isFull || !this.#isIdle(this.#other)) return;
    void this.#begin();
    await setImmediate();
  }

  /** The entries behind the last batch, while that one waits. They are read ahead where `mayRead` says so. */
  async behind(mayRead: boolean): Promise<readonly Entry[]> {
    if (this.isReplaying || !(this.#ahead || mayRead)) return [];
    const reading = await (this.#ahead ?? this.#begin());
    return reading.kind === "batch" ? reading.batch.entries : [];
  }

  /** What was read ahead, and has not been asked for. */
  async leftover(): Promise<Reading> {
    return this.#ahead ?? { kind: "nothing" };
  }

  /** Reads one group of suspects, until an answer comes. */
  async suspects(side: LogSide, signal: AbortSignal): Promise<Reading> {
    const cursor = this.#cursors[side];
    let reading: Reading = { kind: "failed" };
    while (reading.kind === "failed" && !signal.aborted) {
      await this.pause(signal);
      reading = await this.#read(cursor, cursor.maxEntries);
    }
    return reading;
  }

  /** Begins again with everything that is pending. */
  lookAgain(side: LogSide): void {
    this.#cursors[side].from = "pending";
    this.#cursors[side].received = "0-0";
  }

  /** Rests where the last read has failed. */
  async pause(signal: AbortSignal): Promise<void> {
    if (this.#failures > 0) await this.#deps.clock.sleep(this.#waitMs, signal);
  }

  /** Notes that the log that was read last has nothing new. True where neither log has. */
  goIdle(): boolean {
    this.#last.idleUntil = this.#deps.clock.monotonic() + idleMs;
    return this.#isIdle(this.#other);
  }

  /** Waits for something new on either log; for a second at most, since a notification may be lost. */
  async waitForNews(signal: AbortSignal): Promise<void> {
    const cursors = Object.values(this.#cursors);
    const watches: readonly Watch[] = cursors.map(({ fence: { partition }, newest }) => ({ partition, after: newest }));
    await this.#deps.bus.wait(watches, idleMs, signal);
    for (const cursor of cursors) cursor.idleUntil = 0;
  }

  /** What an entry of a log measures, inflated, bytes. */
  measured(side: LogSide, bytesEach: number): void {
    this.#cursors[side].bytesEach = bytesEach;
  }

  get #other(): Cursor {
    const { main, replay } = this.#cursors;
    return this.#last === main ? replay : main;
  }

  #isIdle({ idleUntil }: Cursor): boolean {
    return this.#deps.clock.monotonic() < idleUntil;
  }

  #begin(): Promise<Reading> {
    const begun = this.#read(this.#last, 0);
    // It is awaited later: until then a failure must not count as unhandled.
    begun.catch(() => {});
    this.#ahead = begun;
    return begun;
  }

  async #read(cursor: Cursor, suspects: number): Promise<Reading> {
    const { bus, clock } = this.#deps;
    const { history } = this.#options;
    const { count, fence, from, received: after } = cursor;
    const asked = clock.monotonic();
    try {
      const result = await bus.read(fence, { from, after, count, suspects, known: history.known });
      const excused = this.#failures;
      this.#failures = 0;
      this.#outage.over(aboutOf(cursor));
      switch (result.kind) {
        case "went-back":
        case "fenced":
          this.#options.onEnd(result);
          return result;
        case "suspects":
          return { kind: "suspects", side: fence.partition.side };
        default:
          history.noteRead(result.reads, fence.partition.side === "main" ? result.entries : []);
          this.#tell(cursor, result.entries, asked);
          move(cursor, result.entries, this.#options.eventsPerRead);
          if (result.stolen) return { kind: "stolen", side: fence.partition.side };
          return this.#brought(cursor, excused === 0 ? result.entries : excuse(result.entries, excused));
      }
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      this.#failed(cursor, error);
      return { kind: "failed" };
    }
  }

  #brought(cursor: Cursor, entries: readonly Entry[]): Reading {
    const { fence, from } = cursor;
    if (entries.length > 0)
      return { kind: "batch", batch: { fence, entries, from, readAt: this.#deps.clock.monotonic(), atRest: false } };
    if (from === "new") return { kind: "nothing" };
    cursor.from = "new";
    return { kind: "caught-up" };
  }

  #failed(cursor: Cursor, error: RetryableError): void {
    const about = aboutOf(cursor);
    this.#failures++;
    this.#waitMs = backoffMs(this.#failures, workBackoff);
    this.#outage.failed(error, about);
    this.#deps.telemetry.retry?.({ of: "read", ...about, failed: this.#failures, waitMs: this.#waitMs, code: error.code });
    cursor.from = "pending";
  }

  #tell({ fence: { partition, pipeline }, from }: Cursor, entries: readonly Entry[], asked: number): void {
    const { clock, telemetry } = this.#deps;
    if (entries.length === 0) return;
    telemetry.read?.({
      pipeline,
      partition: partition.name,
      log: partition.side,
      from,
      entries: entries.length,
      events: sumOf(entries, ({ events }) => events),
      bytes: sumOf(entries, bytesOf),
      durationMs: clock.monotonic() - asked,
      lagMs: ageOf(entries[0]?.id, clock.now()),
    });
  }
}

const aboutOf = ({ fence: { partition, pipeline } }: Cursor) => ({ partition: partition.name, pipeline });

/** Redis counts a read whose answer was lost as a delivery. No worker has tried those entries, so it is taken off their count. */
const excuse = (entries: readonly Entry[], times: number): readonly Entry[] =>
  entries.map((entry) => ({ ...entry, deliveries: Math.max(1, entry.deliveries - times) }));
