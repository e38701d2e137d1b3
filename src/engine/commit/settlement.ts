import { setImmediate } from "node:timers";
import type { Bus, DerivedFrame, Fence, WentBack } from "../../bus/port.ts";
import { aborted } from "../../core/aborted.ts";
import { backoffMs } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { RetryableError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { Outage } from "../../core/outage.ts";
import type { Sink } from "../../sinks/port.ts";
import type { KeyedState } from "../../state/keyed-state.ts";
import type { Chunk } from "../process/chunk.ts";
import type { Filled } from "../process/fill.ts";
import type { Chain } from "../read/chain.ts";
import type { InFlight } from "./in-flight.ts";
import type { PackDerived } from "./outbox.ts";
import type { Relay } from "./relay.ts";

export interface SettlementDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sinks: ReadonlyMap<string, Sink>;
  readonly pack: PackDerived;
  readonly inOrder: boolean;
  readonly gauge: InFlight;
}

/** What was read, on its way to its commit. */
export interface Settlement {
  /** Writes what is ready, and commits when every event has ended and every sink has confirmed. */
  add(fence: Fence, filled: Filled): void;
  /** Resolves when nothing is under way any more, or the lease is gone. */
  idle(): Promise<void>;
  /** How many reads are under way. */
  readonly underWay: number;
  /** Calls back when the next one is settled. There is one who listens: a later call takes the place of an earlier one. */
  onNext(listener: () => void): void;
  /** What was added and has not been committed. */
  unsettled(): readonly Unsettled[];
  /** Why the pipeline has to stop. */
  readonly failure: unknown;
}

/** One read. */
export interface Unsettled {
  readonly fence: Fence;
  readonly entries: readonly string[];
}

interface Read {
  readonly fence: Fence;
  readonly last: string | undefined;
  /** None once it is settled. */
  entries: readonly string[];
}

const retryLimits = { initialMs: 50, maxMs: 5_000 } as const;

export interface Tenure {
  readonly state: KeyedState | undefined;
  readonly relay: Relay;
  readonly chain: Chain;
  /** The lease is gone. */
  readonly lost: AbortSignal;
  /** Told when a commit finds the lease gone, with what Redis has left where it went back. */
  readonly onLost: (wentBack: WentBack | undefined) => void;
}

/**
 * Settles the reads of one partition. Order of each: rows written → sinks confirm → one commit. Reads settle side by side, and
 * commit one after another, since each commit names the one before: in their order where `inOrder` asks for it, else as they are ready.
 * Without the lease nothing may be committed, and a sink may take for ever: the new owner reads it all again.
 */
export function createSettlement(deps: SettlementDeps, { state, relay, chain, lost, onLost }: Tenure): Settlement {
  const { bus, clock, logger, sinks, pack, inOrder, gauge } = deps;
  const committed = new Outage({ began: "committing failed, trying again", over: "commits are made again" }, { clock, logger });
  const underWay = new Set<Promise<void>>();
  /** The reads of each log, oldest first: the floor of the main one is the last of those that are settled without a gap. */
  const outstanding = { main: [] as Read[], replay: [] as Read[] };
  const isLost = aborted(lost);
  let before: Promise<void> = Promise.resolve();
  /** The commit that is under way, or was last. */
  let committing: Promise<void> = Promise.resolve();
  let failure: unknown;
  // No promise to wait for: each wait would hang on to it, and where a sink is away nothing is settled for hours.
  let tell = () => {};

  return {
    add(fence, filled) {
      const { chunk } = filled;
      const read: Read = { fence, last: chunk.entries.at(-1), entries: chunk.entries };
      // Timers that ring by themselves settle nothing.
      if (chunk.entries.length > 0) outstanding[fence.partition.side].push(read);
      const weight = gauge.weigh(chunk);
      gauge.add(weight);
      const settled = settle(filled, read)
        .catch((error) => {
          // A stop or a lost lease ends what waits; it is left to the next owner.
          if (!isAbort(error)) failure ??= error;
        })
        .finally(() => {
          gauge.remove(weight);
          underWay.delete(settled);
          tell();
        });
      before = settled;
      underWay.add(settled);
    },
    async idle() {
      await Promise.race([Promise.all(underWay), isLost]);
    },
    get underWay() {
      return underWay.size;
    },
    onNext(listener) {
      tell = listener;
    },
    unsettled() {
      return [...outstanding.main, ...outstanding.replay].filter(({ entries }) => entries.length > 0);
    },
    get failure() {
      return failure;
    },
  };

  async function settle({ chunk, late }: Filled, read: Read): Promise<void> {
    const earlier = before;
    const writes = [write(chunk)];
    await lateOnes(late, () => writes.push(write(chunk)));
    await Promise.all(writes);
    const derived = await packAll(chunk);
    if (inOrder) await earlier;
    const mine = committing.then(() => commit(read, { chunk, derived }));
    committing = mine.catch(() => {});
    await mine;
  }

  /** Resolves when all late events have ended; `ready` is called for those that have, some at a time. */
  async function lateOnes(late: readonly Promise<void>[], ready: () => void): Promise<void> {
    let isAsked = false;
    const ask = () => {
      if (isAsked) return;
      isAsked = true;
      setImmediate(() => {
        isAsked = false;
        ready();
      });
    };
    for (const one of late) one.then(ask, () => {});
    await Promise.all(late);
    if (late.length > 0) ready();
  }

  /** Hands the rows over at once; resolves when every sink has confirmed or refused each of them. */
  function write(chunk: Chunk): Promise<void> {
    const writes = [...chunk.rows.take()].map(async ([name, taken]) => {
      const sink = sinks.get(name);
      if (!sink) throw new Error(`no sink '${name}'`);
      const writing = sink.write(taken.rows, chunk.bytes);
      taken.rows = [];
      const { rejected, counts } = await writing;
      chunk.reject(`sink:${name}`, taken, rejected);
      if (counts) chunk.note(counts, `sink:${name}`);
    });
    const all = Promise.all(writes).then(() => {});
    // It is awaited later: until then a failure must not count as unhandled.
    all.catch(() => {});
    return all;
  }

  async function packAll(chunk: Chunk): Promise<readonly DerivedFrame[]> {
    const all: DerivedFrame[] = [];
    for (const [name, taken] of chunk.takeDerived()) {
      const { frames, rejected } = await pack(name, taken.rows as never, clock.now());
      chunk.reject(`sink:${name}`, taken, rejected);
      all.push(...frames);
    }
    return all;
  }

  /** The last entry of the reads that are settled without a gap, once this one is. */
  function floorWith(read: Read): string | undefined {
    let floor: string | undefined;
    for (const one of outstanding.main) {
      if (one.entries.length > 0 && one !== read) break;
      floor = one.last;
    }
    return floor;
  }

  async function commit(
    read: Read,
    { chunk, derived }: { readonly chunk: Chunk; readonly derived: readonly DerivedFrame[] },
  ): Promise<void> {
    const { fence } = read;
    const { partition, pipeline } = fence;
    const reads = outstanding[partition.side];
    const { entries, counts, deadLetters, states } = chunk;
    const keyed = states?.toCommit();
    const names = chunk.names?.toCommit();
    const number = chain.known.commits + 1;
    for (let attempt = 0; !lost.aborted && failure === undefined; attempt++) {
      try {
        const made = await bus.commit(fence, {
          number,
          reads: chain.known.reads,
          entries,
          counts,
          deadLetters,
          keyed,
          names,
          derived,
          floor: floorWith(read),
        });
        committed.over({ partition: partition.name, pipeline });
        // The new owner reads this chunk again.
        if (made !== "committed") return onLost(made === "fenced" ? undefined : made);
        chain.made();
        if (states) state?.settled(states);
        read.entries = [];
        while (reads[0]?.entries.length === 0) reads.shift();
        if (derived.length > 0) relay.ring();
        return;
      } catch (error) {
        if (!(error instanceof RetryableError)) throw error;
        committed.failed(error, { partition: partition.name, pipeline });
        await clock.sleep(backoffMs(attempt, retryLimits), lost);
      }
    }
  }
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === "AbortError";
