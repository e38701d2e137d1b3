import { isBefore } from "../bus/entry-id.ts";
import type { Bus, Entry, Fence } from "../bus/port.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf, RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Sink } from "../sinks/port.ts";
import { KeyedState } from "../state/keyed-state.ts";
import type { Chunk } from "./chunk.ts";
import type { Fill } from "./fill.ts";
import type { Gauge } from "./gauge.ts";

export interface ReaderDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The sinks by the names of the pipeline's destinations. */
  readonly sinks: ReadonlyMap<string, Sink>;
  readonly fill: Fill;
  readonly gauge: Gauge;
}

/**
 * Entries of one read. A frame holds up to 500 events, so an entry counts for much more on a partition of ours. Small reads
 * keep few objects alive at once: with ten times as many the garbage collector took a fifth more of the processor.
 */
const readCount = { frames: 2, plain: 1_000 } as const;
const doorbellMs = 1_000;
const retryLimits = { initialMs: 50, maxMs: 5_000 } as const;

/**
 * Reads one partition for one pipeline, as its owner, until the lease is lost or `stop` aborts.
 *
 *   pending first:  what an earlier owner was given and did not ack, from the first entry on
 *   then new:       read → decode → stages → sinks confirm → ONE commit (ledger, dead letters, acks) → …
 *
 * Invariant: nothing is acked before every sink has confirmed, and commits of a partition keep the order of its reads.
 * Reading goes on while earlier chunks settle. An answer that was lost is found again, since entries given out are pending:
 * after a failed read, the pending entries behind the last one received are read first.
 *
 * `lost` aborts when the lease is gone: then nothing is committed any more. `stop` asks for an orderly end: what was read
 * is still settled.
 */
export async function readPartition(
  fence: Fence,
  deps: ReaderDeps,
  { stop, lost, lastDelivered }: { readonly stop: AbortSignal; readonly lost: AbortSignal; readonly lastDelivered: string },
): Promise<void> {
  const { bus, clock, logger, gauge } = deps;
  const either = AbortSignal.any([stop, lost]);
  const state = new KeyedState(bus, fence.partition, fence.pipeline);
  let from: "pending" | "new" = "pending";
  let received = "0-0";
  let newest = lastDelivered;
  let failures = 0;
  let settling: Promise<void> = Promise.resolve();
  let failure: unknown;

  while (!either.aborted && failure === undefined) {
    await gauge.room(either);
    if (either.aborted) break;
    let entries: readonly Entry[];
    try {
      const result = await bus.read(fence, {
        from,
        after: received,
        count: fence.partition.adopted ? readCount.plain : readCount.frames,
      });
      if (result.kind === "fenced") break;
      entries = result.entries;
      failures = 0;
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      if (failures++ === 0)
        logger.warn(
          { partition: fence.partition.name, pipeline: fence.pipeline, error: messageOf(error) },
          "reading failed, trying again",
        );
      from = "pending";
      await clock.sleep(backoffMs(failures, retryLimits), either);
      continue;
    }
    const last = entries.at(-1);
    if (!last) {
      if (from === "pending") from = "new";
      else await bus.wait([{ partition: fence.partition, after: newest }], doorbellMs, either);
      continue;
    }
    received = last.id;
    // Also for pending entries: those of a read whose answer was lost are newer than what we knew of.
    if (isBefore(newest, last.id)) newest = last.id;
    const chunk = await fillWithRetry(entries);
    if (!chunk) break;
    state.accept(chunk.states);
    const rows = [...chunk.sinks.values()].reduce((sum, { rows }) => sum + rows.length, 0);
    gauge.add(rows);
    const written = write(chunk);
    settling = settling
      .then(() => written)
      .then(() => commit(chunk))
      .catch((error) => {
        failure ??= error;
      })
      .finally(() => gauge.remove(rows));
  }
  // Without the lease nothing may be committed, and a sink may take for ever: the new owner reads it all again.
  await Promise.race([settling, aborted(lost)]);
  if (failure !== undefined && !lost.aborted) throw failure;

  async function fillWithRetry(entries: readonly Entry[]): Promise<Chunk | undefined> {
    for (let attempt = 0; !either.aborted; attempt++) {
      try {
        return await deps.fill(entries, { now: clock.now(), states: state.draft() });
      } catch (error) {
        if (!(error instanceof RetryableError)) throw error;
        logger.warn(
          { partition: fence.partition.name, pipeline: fence.pipeline, error: messageOf(error) },
          "a stage asked to try again",
        );
        await clock.sleep(backoffMs(attempt, retryLimits), either);
      }
    }
    return undefined;
  }

  /** Hands the rows over at once; resolves when every sink has confirmed or refused each of them. */
  function write(chunk: Chunk): Promise<void> {
    const writes = [...chunk.sinks].map(async ([name, sinkRows]) => {
      const sink = deps.sinks.get(name);
      if (!sink) throw new Error(`no sink '${name}'`);
      const writing = sink.write(sinkRows.rows, chunk.bytes);
      sinkRows.rows = [];
      const { rejected, counts } = await writing;
      chunk.reject(`sink:${name}`, sinkRows, rejected);
      if (counts) chunk.note(counts, `sink:${name}`);
    });
    const all = Promise.all(writes).then(() => {});
    // The chain above awaits it later: until then a failure must not count as unhandled.
    all.catch(() => {});
    return all;
  }

  async function commit(chunk: Chunk): Promise<void> {
    for (let attempt = 0; !lost.aborted && failure === undefined; attempt++) {
      try {
        const { entries, counts, deadLetters } = chunk;
        await bus.commit(fence, { entries, counts, deadLetters, states: chunk.states.toJson() });
        state.settled();
        // When it was fenced, the next read says so: the new owner reads this chunk again.
        return;
      } catch (error) {
        if (!(error instanceof RetryableError)) throw error;
        logger.warn(
          { partition: fence.partition.name, pipeline: fence.pipeline, error: messageOf(error) },
          "committing failed, trying again",
        );
        await clock.sleep(backoffMs(attempt, retryLimits), lost);
      }
    }
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
