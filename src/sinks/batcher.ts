import type { Clock } from "../core/clock.ts";
import { ConfigError } from "../core/errors.ts";
import type { BatchPlan } from "../plan/plan.ts";
import type { Rejected, Sink, WriteResult } from "./port.ts";

/** How the batches of a sink are made ready and delivered. */
export interface Delivery<Prepared> {
  /** Makes a batch ready, on the processor: it runs while the batch before is under way. */
  prepare(rows: readonly object[]): Prepared;
  /** Resolves when every row is confirmed or rejected. Retries by itself; what it throws is thrown to the writers. */
  deliver(prepared: Prepared): Promise<readonly Rejected[]>;
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
  readonly rows: readonly object[];
  readonly bytesPerRow: number;
  /** Rows that are in some batch already. */
  taken: number;
  unsettled: number;
  readonly rejected: Rejected[];
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (reason: unknown) => void;
}

/** Rows of one write in a batch, from `start` of the batch and from `from` of the write. */
interface Segment {
  readonly write: Write;
  readonly from: number;
  readonly start: number;
  readonly count: number;
}

interface Batch {
  readonly rows: readonly object[];
  readonly segments: readonly Segment[];
}

/**
 * Joins the writes of many writers into batches, and delivers them one after another.
 *
 * A batch is cut when it is full, or when the last delivery began `minIntervalMs` ago and none is under way. While one is under way,
 * a full batch is cut and prepared already, so that the next delivery begins at once.
 */
export function createBatcher<Prepared>(delivery: Delivery<Prepared>, options: BatcherOptions): Sink {
  const { name, batch: limits, clock, signal } = options;
  const queue: Write[] = [];
  let queuedRows = 0;
  let queuedBytes = 0;
  let inFlightRows = 0;
  let lastStart = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  let closing = false;
  /** Ends the wait for more rows early. */
  let wake = () => {};

  const isFull = () => queuedRows >= limits.maxRows || queuedBytes >= limits.maxBytes;

  const onAbort = () => {
    for (const write of queue.splice(0)) fail(write, signal.reason);
    queuedRows = 0;
    queuedBytes = 0;
    wake();
  };
  signal.addEventListener("abort", onAbort, { once: true });

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
        const bytesPerRow = bytes / rows.length;
        queue.push({
          rows: rows as readonly object[],
          bytesPerRow,
          taken: 0,
          unsettled: rows.length,
          rejected: [],
          resolve,
          reject,
        });
        queuedRows += rows.length;
        queuedBytes += bytes;
        inFlightRows += rows.length;
        running ??= run();
        if (isFull()) wake();
      });
    },
    get inFlightRows() {
      return inFlightRows;
    },
    async close() {
      closing = true;
      wake();
      await running;
      signal.removeEventListener("abort", onAbort);
    },
  };

  /** Lives while there is something to deliver. */
  async function run(): Promise<void> {
    // Writers of the same turn share the first batch.
    await Promise.resolve();
    let ready: (() => Promise<void>) | undefined;
    while (queuedRows > 0 || ready !== undefined) {
      if (ready === undefined) {
        await moreRows();
        if (queuedRows === 0) break;
        ready = prepared();
      }
      lastStart = clock.monotonic();
      const underWay = ready();
      ready = undefined;
      await filled(underWay);
      if (isFull()) ready = prepared();
      await underWay;
    }
    running = undefined;
  }

  /** Waits for the interval to pass, or for a full batch, or for the end. */
  async function moreRows(): Promise<void> {
    const waitMs = lastStart + limits.minIntervalMs - clock.monotonic();
    if (waitMs <= 0 || isFull() || closing) return;
    const early = new AbortController();
    wake = () => early.abort();
    await clock.sleep(waitMs, early.signal);
    wake = () => {};
  }

  /** Waits for a full batch, or for the delivery under way. */
  async function filled(underWay: Promise<void>): Promise<void> {
    // The request is written out first: encoding the next batch would keep it waiting.
    await new Promise((resolve) => setImmediate(resolve));
    if (isFull()) return;
    await new Promise<void>((resolve) => {
      wake = () => {
        if (isFull() || signal.aborted) resolve();
      };
      void underWay.then(resolve);
    });
    wake = () => {};
  }

  /** Cuts a batch off the queue and makes it ready. The function delivers it and settles its writes; it never throws. */
  function prepared(): () => Promise<void> {
    const batch = cut();
    let value: Prepared;
    try {
      value = delivery.prepare(batch.rows);
    } catch (error) {
      return async () => failAll(batch, error);
    }
    return async () => {
      try {
        settle(batch, await delivery.deliver(value));
      } catch (error) {
        failAll(batch, error);
      }
    };
  }

  function cut(): Batch {
    const rows: object[] = [];
    const segments: Segment[] = [];
    let bytes = 0;
    while (rows.length < limits.maxRows && (bytes < limits.maxBytes || rows.length === 0)) {
      const write = queue[0];
      if (write === undefined) break;
      const room = Math.min(
        limits.maxRows - rows.length,
        write.bytesPerRow > 0 ? Math.max(1, Math.ceil((limits.maxBytes - bytes) / write.bytesPerRow)) : Number.POSITIVE_INFINITY,
      );
      const count = Math.min(room, write.rows.length - write.taken);
      segments.push({ write, from: write.taken, start: rows.length, count });
      for (let i = 0; i < count; i++) rows.push(write.rows[write.taken + i] as object);
      write.taken += count;
      bytes += count * write.bytesPerRow;
      if (write.taken === write.rows.length) queue.shift();
    }
    queuedRows -= rows.length;
    queuedBytes = queuedRows === 0 ? 0 : queuedBytes - bytes;
    return { rows, segments };
  }

  function settle(batch: Batch, rejected: readonly Rejected[]): void {
    let segment = 0;
    for (const { row, reason } of [...rejected].sort((a, b) => a.row - b.row)) {
      while (row >= (batch.segments[segment] as Segment).start + (batch.segments[segment] as Segment).count) segment += 1;
      const { write, from, start } = batch.segments[segment] as Segment;
      write.rejected.push({ row: from + row - start, reason });
    }
    for (const { write, count } of batch.segments) {
      if (write.unsettled === 0) continue;
      write.unsettled -= count;
      inFlightRows -= count;
      if (write.unsettled === 0) write.resolve({ rejected: write.rejected });
    }
  }

  function failAll(batch: Batch, error: unknown): void {
    const reason = signal.aborted ? signal.reason : error;
    for (const { write } of batch.segments) {
      if (write.unsettled === 0) continue;
      // What is still queued of this write must not go on without it: its writer has been told that it failed.
      if (write.taken < write.rows.length) {
        queue.splice(queue.indexOf(write), 1);
        queuedRows -= write.rows.length - write.taken;
        queuedBytes = queuedRows === 0 ? 0 : queuedBytes - (write.rows.length - write.taken) * write.bytesPerRow;
      }
      fail(write, reason);
    }
  }

  function fail(write: Write, reason: unknown): void {
    inFlightRows -= write.unsettled;
    write.unsettled = 0;
    write.reject(reason);
  }
}
