import type { Fence, WentBack } from "../bus/port.ts";
import { connectionBackoff } from "../core/backoff.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { linkAbort } from "../core/linked-abort.ts";
import { retry } from "../core/retry.ts";
import { KeyedState } from "../state/keyed-state.ts";
import type { Owned } from "./assign/owner.ts";
import { BatchTaker, type LeftEntries } from "./batch-taker.ts";
import { Committer } from "./commit/committer.ts";
import { Relay } from "./commit/relay.ts";
import { tellWentBack } from "./commit/went-back.ts";
import type { PartitionDeps } from "./partition-deps.ts";
import { TimerWatch } from "./process/timer-watch.ts";
import type { Batch } from "./read/batch.ts";
import { LogReader, type LogSide, type OwnershipEnd, type Reading } from "./read/log-reader.ts";
import { OwnerHistory } from "./read/owner-history.ts";

/** What the owner of a partition is doing. */
type LoopState =
  /** Processes what an earlier owner has read and not acked, from the first entry on. */
  | { readonly kind: "replaying" }
  | { readonly kind: "reading" }
  /** Processes one small group of suspects: entries that may have crashed their readers. */
  | { readonly kind: "suspect"; readonly side: LogSide }
  /** Settles what was read, and reads no more. */
  | { readonly kind: "draining" };

/**
 * Events that one read is to bring. Small reads keep few objects alive at once: with ten times as many the garbage collector took a
 * fifth more of the processor. Where state is kept, a batch writes each key's state once: the more events, the fewer writes.
 */
const readEvents = { stateless: 1_000, keyed: 8_000 } as const;
/** How long a read that would bring little waits for more, while earlier batches settle, milliseconds. */
const gatherMs = 5;
/** So many may settle side by side; for each one beyond it the next waits longer. */
const freeBatches = 16;
const gatherLongerMs = 2.5;
/** How often a former owner tries to hand back what it had read: for half a minute. */
const lateAttempts = 30;

/**
 * Reads one partition for one pipeline, as its owner, until the lease is lost or `stop` aborts: its log, and beside it the log of what is
 * replayed.
 *
 *   replaying ──all that was pending is read──▶ reading ──a former owner has read──▶ replaying
 *       │  ▲  ◀──────── an answer was lost ─────── │
 *       ▼  │                                       │
 *     suspect ── one group is settled ──▶ replaying│
 *       └── stop, lease lost, Redis gone back, or the pipeline cannot go on: from each ──▶ draining
 *
 * A batch goes one way: read → through the stages → sinks confirm → ONE commit (states, derived events, ledger, dead letters, acks).
 *
 * Invariant: nothing is acked before every sink has confirmed. Reading goes on while earlier batches settle.
 *
 * Suspects are entries that were delivered several times and never acked: they may crash the process. They are processed in small groups,
 * and by one partition of the process at a time, so that a crash counts against few other entries.
 *
 * `lost` aborts when the lease is gone: then nothing is committed any more. `stop` asks for an orderly end: what was read is still settled.
 * Where Redis goes back to an earlier state, what is in memory here is ahead of it: the loop ends as if the lease were lost, and whoever
 * takes it next begins anew.
 */
export async function runPartition(owned: Owned, deps: PartitionDeps): Promise<void> {
  const loop = new PartitionLoop(owned, deps);
  try {
    await loop.run();
  } finally {
    loop.unlink();
  }
}

class PartitionLoop {
  readonly #fence: Fence;
  readonly #deps: PartitionDeps;
  /** Aborts when the worker is to stop. */
  readonly #stop: AbortSignal;
  /** Aborts when this worker no longer owns the partition: then nothing is committed. */
  readonly #gone: ReturnType<typeof linkAbort>;
  /** Aborts when the owner is to stop, in order or not. */
  readonly #ending: ReturnType<typeof linkAbort>;
  readonly #history = new OwnerHistory();
  readonly #timers: TimerWatch;
  readonly #reader: LogReader;
  readonly #relay: Relay;
  readonly #committer: Committer;
  readonly #taker: BatchTaker;
  readonly #eventsPerRead: number;
  #wentBack: WentBack | undefined;

  constructor({ fence, lastDelivered, lost, stop }: Owned, deps: PartitionDeps) {
    this.#fence = fence;
    this.#deps = deps;
    this.#stop = stop;
    this.#gone = linkAbort(lost);
    this.#ending = linkAbort(stop, this.#gone.signal);
    this.#eventsPerRead = readEvents[deps.keyed ? "keyed" : "stateless"];
    const state = deps.keyed && new KeyedState(fence, deps, deps.keyed);
    const history = this.#history;
    const gone = this.#gone.signal;
    const ending = this.#ending.signal;
    const onEnd = (why: OwnershipEnd) => this.#end(why);
    this.#timers = new TimerWatch(state, this.#about, deps);
    this.#relay = new Relay(fence, deps, { stop: ending, gone, history });
    this.#committer = new Committer(deps, { state, relay: this.#relay, history, lost: gone, onEnd });
    this.#reader = new LogReader(fence, deps, { lastDelivered, eventsPerRead: this.#eventsPerRead, history, onEnd });
    const parts = { reader: this.#reader, committer: this.#committer, timers: this.#timers };
    this.#taker = new BatchTaker(fence, deps, { ...parts, state, gone, ending });
  }

  async run(): Promise<void> {
    this.#relay.wake();
    try {
      let state: LoopState = { kind: "replaying" };
      while (state.kind !== "draining") state = this.#mustEnd ? { kind: "draining" } : await this.#next(state);
    } catch (error) {
      // An unknown error may be one that these entries cause. An error of ours is not: then this delivery does not count against them.
      if (error instanceof HeadraceError && !this.#gone.signal.aborted) await this.#handBack(this.#taker.left);
      throw error;
    }
    await this.#drain();
  }

  unlink(): void {
    this.#ending.unlink();
    this.#gone.unlink();
  }

  async #next(state: Exclude<LoopState, { readonly kind: "draining" }>): Promise<LoopState> {
    switch (state.kind) {
      case "replaying":
      case "reading": {
        const { inFlight } = this.#deps;
        if (!(await inFlight.waitForRoom(this.#ending.signal, this.#eventsPerRead))) return { kind: "draining" };
        return this.#follow(await this.#advance().finally(() => inFlight.remove(this.#eventsPerRead)));
      }
      case "suspect":
        return this.#takeSuspects(state.side);
      default:
        return state satisfies never;
    }
  }

  /** One batch: of timers that are due, or of the next read. */
  async #advance(): Promise<Reading> {
    const due = this.#timers.take();
    if (due.kind === "due") {
      const batch = this.#batchOfTimers(due.atRest);
      await this.#taker.take(batch);
      return { kind: "batch", batch };
    }
    const reading = await this.#reader.next();
    if (reading.kind !== "batch") return reading;
    if (this.#deps.inFlight.hasRoom) await this.#reader.readAhead();
    await this.#taker.take(reading.batch);
    await this.#gather();
    return reading;
  }

  async #follow(reading: Reading): Promise<LoopState> {
    switch (reading.kind) {
      case "batch":
      case "caught-up":
        break;
      case "nothing":
        await this.#rest();
        break;
      case "failed":
        await this.#reader.pause(this.#ending.signal);
        break;
      case "suspects":
        return { kind: "suspect", side: reading.side };
      case "stolen":
        await this.#lookAgain(reading.side);
        break;
      case "fenced":
      case "went-back":
        return { kind: "draining" };
      default:
        return reading satisfies never;
    }
    return { kind: this.#reader.isReplaying ? "replaying" : "reading" };
  }

  /** Processes one group of suspects, with nothing else of this partition under way, and no suspects of another one. */
  async #takeSuspects(side: LogSide): Promise<LoopState> {
    await this.#committer.idle();
    let next: LoopState = { kind: "replaying" };
    await this.#deps.quarantine.during(this.#ending.signal, async () => {
      const reading = await this.#reader.suspects(side, this.#ending.signal);
      if (reading.kind === "batch") {
        await this.#taker.take(reading.batch);
        await this.#committer.idle();
      } else if (reading.kind !== "suspects") next = await this.#follow(reading);
    });
    return next;
  }

  /**
   * Lets more come together where a read has emptied the log and earlier batches are still settled: a read with its commit costs Redis
   * and the worker as much as some hundred events. Where they pile up, since a sink has fallen silent, ever more comes together: each
   * batch that waits takes memory of its own, however little it holds.
   */
  async #gather(): Promise<void> {
    const { underWay } = this.#committer;
    if (this.#reader.isFull || this.#reader.isReplaying || underWay === 0) return;
    const settled = new AbortController();
    this.#committer.onNext(() => settled.abort());
    await this.#deps.clock.sleep(Math.max(gatherMs, gatherLongerMs * (underWay - freeBatches)), settled.signal);
  }

  /** Waits for something new on either log, unless timers are due. */
  async #rest(): Promise<void> {
    if (!this.#reader.goIdle()) return;
    if (await this.#timers.look()) return;
    // Frames that were taken off the outbox may be in it again: Redis may have gone back to an earlier state, and nothing else shows it.
    if (this.#deps.inOrder) this.#relay.wake();
    await this.#reader.waitForNews(this.#ending.signal);
  }

  /**
   * Reads everything that is pending again, once what is under way is settled. What is pending then was read by the former owner, or came
   * with the answer that told of it.
   */
  async #lookAgain(side: LogSide): Promise<void> {
    this.#deps.logger.warn(this.#about, "a former owner has read after it lost the lease: its entries are taken up");
    await this.#committer.idle();
    this.#reader.lookAgain(side);
  }

  async #drain(): Promise<void> {
    await this.#takeLeftover();
    await this.#committer.idle();
    const { status, unsettled } = this.#committer;
    const isGone = this.#gone.signal.aborted;
    if (isGone) {
      // Redis may be away, and nobody waits for it.
      if (status.kind === "well") void this.#handBackLate(unsettled);
    } else {
      // After an orderly stop, or an error of ours, the delivery does not count either.
      if (status.kind === "well" || status.error instanceof HeadraceError)
        await this.#handBack([...unsettled, ...this.#taker.left]);
      await this.#relay.done;
    }
    if (this.#wentBack) await tellWentBack(this.#fence, { history: this.#history, left: this.#wentBack.left }, this.#deps);
    if (status.kind === "failed" && !isGone) throw status.error;
  }

  /** At an orderly stop, what was read ahead is processed too; it is handed back where something before it was not processed. */
  async #takeLeftover(): Promise<void> {
    if (this.#gone.signal.aborted || this.#committer.status.kind === "failed") return;
    const reading = await this.#reader.leftover();
    if (reading.kind !== "batch") return;
    if (this.#taker.left.length === 0) await this.#taker.take(reading.batch);
    else this.#taker.leave(reading.batch);
  }

  /** Hands back what was read and is left to the next owner, so that this read does not count as a delivery. */
  async #handBack(left: readonly LeftEntries[]): Promise<void> {
    const { bus, logger } = this.#deps;
    for (const { fence, entries } of left) {
      await bus.nack(fence, entries).catch((error) => {
        logger.warn(
          { ...this.#about, error: messageOf(error) },
          "entries could not be handed back: the stop counts as a delivery",
        );
      });
    }
  }

  /**
   * The same for a former owner, which has not died of what it was given either: on a machine that is too slow for its leases, good events
   * would be given up. What held the process up for half a lease counts, since it may be why the lease was lost. Redis may be away just
   * now: it is told when it is back.
   */
  async #handBackLate(unsettled: readonly LeftEntries[]): Promise<void> {
    const { bus, leaseMs, clock } = this.#deps;
    const options = { ...connectionBackoff, clock, signal: this.#stop, attempts: lateAttempts };
    try {
      const reading = await this.#reader.leftover();
      if (reading.kind === "batch") this.#taker.leave(reading.batch);
      for (const { fence, entries, tookMs } of [...unsettled, ...this.#taker.left])
        if (tookMs < leaseMs / 2) await retry(() => bus.nack(fence, entries), options);
    } catch {
      // Then it counts.
    }
  }

  #end(why: OwnershipEnd): void {
    if (why.kind === "went-back") this.#wentBack ??= why;
    this.#gone.abort();
  }

  #batchOfTimers(atRest: boolean): Batch {
    return { fence: this.#fence, entries: [], from: "new", readAt: this.#deps.clock.monotonic(), atRest };
  }

  get #mustEnd(): boolean {
    return this.#ending.signal.aborted || this.#committer.status.kind === "failed";
  }

  get #about() {
    return { partition: this.#fence.partition.name, pipeline: this.#fence.pipeline };
  }
}
