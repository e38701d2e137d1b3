import type { Fence } from "../bus/port.ts";
import { backoffMs, workBackoff } from "../core/backoff.ts";
import { messageOf, type RetryableError } from "../core/errors.ts";
import type { KeyedState } from "../state/keyed-state.ts";
import { KnownNames } from "../state/known-names.ts";
import type { Committer } from "./commit/committer.ts";
import type { PartitionDeps } from "./partition-deps.ts";
import { KeyQueue } from "./process/key-queue.ts";
import type { Processed, ProcessResult } from "./process/processing.ts";
import type { TimerWatch } from "./process/timer-watch.ts";
import type { Batch } from "./read/batch.ts";
import type { LogReader } from "./read/log-reader.ts";

/** Entries that were read, and not committed when it was time to stop. */
export interface LeftEntries {
  readonly fence: Fence;
  readonly entries: readonly string[];
  /** How long the stages took for them, milliseconds; 0 where they had not begun. */
  readonly tookMs: number;
}

export interface TakerParts {
  /** `undefined` for a pipeline that keeps no state. */
  readonly state: KeyedState | undefined;
  readonly reader: LogReader;
  readonly committer: Committer;
  readonly timers: TimerWatch;
  /** Aborts when this worker no longer owns the partition. */
  readonly gone: AbortSignal;
  /** Aborts when the owner is to stop, in order or not. */
  readonly ending: AbortSignal;
}

/** Takes the batches of one partition through the stages, and hands what has become of them to the committer. */
export class BatchTaker {
  readonly #fence: Fence;
  readonly #deps: PartitionDeps;
  readonly #parts: TakerParts;
  readonly #names: KnownNames | undefined;
  readonly #queue = new KeyQueue();
  readonly #left: LeftEntries[] = [];

  constructor(fence: Fence, deps: PartitionDeps, parts: TakerParts) {
    this.#fence = fence;
    this.#deps = deps;
    this.#parts = parts;
    this.#names = deps.identity && new KnownNames(fence, deps.bus, deps.identity);
  }

  /** What is left to the next owner. */
  get left(): readonly LeftEntries[] {
    return this.#left;
  }

  leave({ fence, entries }: Batch, tookMs = 0): void {
    this.#left.push({ fence, entries: entries.map(({ id }) => id), tookMs });
  }

  /** Takes a batch through the stages, as often as it takes for all of it, and hands it on. */
  async take(batch: Batch): Promise<void> {
    const { clock } = this.#deps;
    for (let rest = batch; ; ) {
      const began = clock.monotonic();
      const processed = await this.#process(rest).catch((error) => {
        this.leave(rest, clock.monotonic() - began);
        throw error;
      });
      const tookMs = clock.monotonic() - began;
      if (processed.kind === "left" || this.#parts.gone.aborted) return this.leave(rest, tookMs);
      this.#handOn(rest, processed, tookMs);
      const taken = processed.results.entries.length;
      if (taken >= rest.entries.length) return this.#parts.timers.afterBatch(processed.moreDue);
      rest = { ...rest, entries: rest.entries.slice(taken) };
    }
  }

  #handOn({ entries: _, ...batch }: Batch, processed: Processed, tookMs: number): void {
    const { results } = processed;
    if (results.states) this.#parts.state?.accept(results.states);
    if (results.names) this.#names?.accept(results.names);
    this.#parts.committer.add(batch, { results, late: processed.late, tookMs });
    // Another crash would count against these entries again, so their rows are not kept waiting.
    if (batch.from === "pending") for (const sink of this.#deps.sinks.values()) sink.flush?.();
    const entries = results.entries.length;
    if (entries > 0) this.#parts.reader.measured(batch.fence.partition.side, results.bytes / entries);
  }

  /** What was read is taken through the stages, also when a stop came meanwhile; it is not tried again after one. */
  async #process(batch: Batch): Promise<Processed | { readonly kind: "left" }> {
    const { clock } = this.#deps;
    const { gone, ending } = this.#parts;
    for (let failed = 0; failed === 0 ? !gone.aborted : !ending.aborted; failed++) {
      const began = clock.monotonic();
      const result = await this.#tryProcess(batch);
      if (result.kind === "processed") {
        this.#tellProcessed(batch, result, began);
        return result;
      }
      if (ending.aborted) break;
      await this.#restBehind(result.error, failed);
    }
    return { kind: "left" };
  }

  #tryProcess(batch: Batch): Promise<ProcessResult> {
    const { process, clock, logger, telemetry, inFlight } = this.#deps;
    const { state, committer, reader, ending } = this.#parts;
    const keyed = state && { state, idle: () => committer.idle(), behind: () => reader.behind(inFlight.hasRoom) };
    // Events that are replayed must come through, although their names were taken before.
    const names = async () => (batch.fence.partition.side === "main" ? this.#names?.draft(clock.now()) : undefined);
    return process(batch, { clock, logger, telemetry, queue: this.#queue, signal: ending, names, keyed });
  }

  async #restBehind(error: RetryableError, failed: number): Promise<void> {
    const { clock, logger, telemetry } = this.#deps;
    const waitMs = backoffMs(failed, workBackoff);
    logger.warn({ ...this.#about, error: messageOf(error) }, "a stage asked to try again");
    telemetry.retry?.({ of: "batch", ...this.#about, failed: failed + 1, waitMs, code: error.code });
    await clock.sleep(waitMs, this.#parts.ending);
  }

  #tellProcessed({ fence: { partition, pipeline } }: Batch, { results, late }: Processed, began: number): void {
    const { clock, telemetry } = this.#deps;
    // Field by field: objects that are spread into it take three times as long.
    telemetry.processed?.({
      pipeline,
      partition: partition.name,
      log: partition.side,
      entries: results.entries.length,
      events: results.size,
      bytes: results.bytes,
      rows: results.rows.size,
      derived: results.derived.size,
      deadLetters: results.deadLetters.length,
      waiting: late.length,
      durationMs: clock.monotonic() - began,
    });
  }

  get #about() {
    return { partition: this.#fence.partition.name, pipeline: this.#fence.pipeline };
  }
}
