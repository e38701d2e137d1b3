import type { Clock } from "../core/clock.ts";
import { ConfigError } from "../core/errors.ts";
import { nth } from "../core/nth.ts";
import { onAbort } from "../core/on-abort.ts";
import type { BatchPlan } from "../plan/plan.ts";
import type { Rejected, Sink, WriteResult } from "./port.ts";

/** How rows are made ready, and how batches of them are delivered. */
export interface Delivery<Prepared> {
  /** Makes rows ready, as soon as they are written: afterwards they are not kept. It runs while a delivery is under way. */
  prepare(rows: readonly object[]): Prepared;
  /** Resolves when every row of the pieces is confirmed or rejected; indexes count on through the pieces. Retries by itself. */
  deliver(pieces: readonly Prepared[]): Promise<readonly Rejected[]>;
}

export interface BatcherOptions {
  readonly name: string;
  readonly batch: BatchPlan;
  readonly clock: Clock;
  /** Ends everything: what is not settled is rejected with its reason. */
  readonly signal: AbortSignal;
}

/** One call of `write`, with what is still to come of it. */
interface Write {
  unsettled: number;
  readonly rejected: Rejected[];
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (reason: unknown) => void;
}

/** Rows of one write that stay together: from `from` of the write on. */
interface WritePiece<Prepared> {
  readonly write: Write;
  readonly from: number;
  readonly count: number;
  readonly bytes: number;
  readonly prepared: Prepared;
}

/** How long a sink that waits for no interval waits for the rows that come right behind an insert, milliseconds. */
const stragglersMs = 2;

/**
 * Joins the writes of many writers into batches, and delivers them one after another.
 *
 * A batch is cut when it is full, or when the last delivery began `minIntervalMs` ago and none is under way, or when somebody is in a hurry.
 */
export function createBatcher<Prepared>(delivery: Delivery<Prepared>, options: BatcherOptions): Sink {
  const { name, batch: limits, clock, signal } = options;
  const queue: WritePiece<Prepared>[] = [];
  let queuedRows = 0;
  let queuedBytes = 0;
  let inFlightRows = 0;
  let lastStart = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  let closing = false;
  let flushing = false;
  /** Ends the wait for more rows early. */
  let wake = () => {};

  const isFull = () => queuedRows >= limits.maxRows || queuedBytes >= limits.maxBytes;

  const giveUp = () => {
    for (const { write } of queue.splice(0)) fail(write, signal.reason);
    queuedRows = 0;
    queuedBytes = 0;
    wake();
  };
  const unlisten = signal.aborted ? undefined : onAbort(signal, giveUp);

  return {
    write(rows, bytes) {
      if (signal.aborted) return Promise.reject(signal.reason);
      if (closing) {
        return Promise.reject(
          new ConfigError("usage", `the sink '${name}' is closed`, { hint: "Close a sink when its last writer is done." }),
        );
      }
      if (rows.length === 0) return Promise.resolve({ rejected: [] });
      return new Promise((resolve, reject) => {
        const write: Write = { unsettled: rows.length, rejected: [], resolve, reject };
        const pieces = cutUp(rows as readonly object[], bytes, write);
        inFlightRows += rows.length;
        queue.push(...pieces);
        queuedRows += rows.length;
        queuedBytes += bytes;
        running ??= run();
        if (isFull()) wake();
      });
    },
    flush() {
      if (queue.length === 0) return;
      flushing = true;
      wake();
    },
    get inFlightRows() {
      return inFlightRows;
    },
    async close() {
      closing = true;
      wake();
      await running;
      unlisten?.();
    },
  };

  /** The rows of one write, ready, in pieces that each fit a batch. Nearly always it is one. */
  function cutUp(rows: readonly object[], bytes: number, write: Write): readonly WritePiece<Prepared>[] {
    const bytesPerRow = bytes / rows.length;
    const size = Math.max(
      1,
      Math.min(limits.maxRows, bytesPerRow > 0 ? Math.floor(limits.maxBytes / bytesPerRow) : limits.maxRows),
    );
    return Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => {
      const part = rows.length <= size ? rows : rows.slice(i * size, (i + 1) * size);
      return { write, from: i * size, count: part.length, bytes: part.length * bytesPerRow, prepared: delivery.prepare(part) };
    });
  }

  /** Lives while there is something to deliver. */
  async function run(): Promise<void> {
    // Writers of the same turn share the first batch.
    await Promise.resolve();
    while (queue.length > 0) {
      await moreRows();
      if (queue.length === 0) break;
      lastStart = clock.monotonic();
      await deliver(cut());
      // A writer whose rows are in reads on at once: what it finds is to go with the next batch, not with the one after it.
      if (limits.minIntervalMs === 0 && queue.length > 0 && !isFull()) await clock.sleep(stragglersMs, signal);
    }
    running = undefined;
  }

  /** Waits for the interval to pass, or for a full batch, or for the end. */
  async function moreRows(): Promise<void> {
    const waitMs = lastStart + limits.minIntervalMs - clock.monotonic();
    if (waitMs <= 0 || isFull() || closing || flushing) return;
    const early = new AbortController();
    wake = () => early.abort();
    await clock.sleep(waitMs, early.signal);
    wake = () => {};
  }

  /** Takes a batch off the queue: as many pieces as fit, and at least one. */
  function cut(): readonly WritePiece<Prepared>[] {
    let rows = 0;
    let bytes = 0;
    let count = 0;
    for (const piece of queue) {
      if (count > 0 && (rows + piece.count > limits.maxRows || bytes + piece.bytes > limits.maxBytes)) break;
      rows += piece.count;
      bytes += piece.bytes;
      count++;
    }
    queuedRows -= rows;
    queuedBytes = queuedRows === 0 ? 0 : queuedBytes - bytes;
    const batch = queue.splice(0, count);
    flushing &&= queue.length > 0;
    return batch;
  }

  /** Delivers a batch and settles its writes. Never throws. */
  async function deliver(batch: readonly WritePiece<Prepared>[]): Promise<void> {
    try {
      settle(batch, await delivery.deliver(batch.map(({ prepared }) => prepared)));
    } catch (error) {
      failAll(batch, error);
    }
  }

  function settle(batch: readonly WritePiece<Prepared>[], rejected: readonly Rejected[]): void {
    const sorted = [...rejected].sort((a, b) => a.row - b.row);
    let start = 0;
    let next = 0;
    for (const { write, from, count } of batch) {
      for (; next < sorted.length && nth(sorted, next).row < start + count; next++) {
        const { row, reason } = nth(sorted, next);
        write.rejected.push({ row: from + row - start, reason });
      }
      start += count;
      if (write.unsettled === 0) continue;
      write.unsettled -= count;
      inFlightRows -= count;
      if (write.unsettled === 0) write.resolve({ rejected: write.rejected });
    }
  }

  function failAll(batch: readonly WritePiece<Prepared>[], error: unknown): void {
    const reason = signal.aborted ? signal.reason : error;
    const failed = new Set(batch.map(({ write }) => write));
    // What is still queued of these writes must not go on without the rest: their writers have been told that they failed.
    for (const piece of queue.splice(0)) {
      if (!failed.has(piece.write)) queue.push(piece);
      else {
        queuedRows -= piece.count;
        queuedBytes = queuedRows === 0 ? 0 : queuedBytes - piece.bytes;
      }
    }
    for (const write of failed) fail(write, reason);
  }

  function fail(write: Write, reason: unknown): void {
    if (write.unsettled === 0) return;
    inFlightRows -= write.unsettled;
    write.unsettled = 0;
    write.reject(reason);
  }
}
