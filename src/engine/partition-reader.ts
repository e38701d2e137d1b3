import { setImmediate } from "node:timers/promises";
import { replayOf } from "../bus/partition.ts";
import type { Bus, Entry, Fence, ReadResult, WentBack } from "../bus/port.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { HeadraceError, messageOf, RetryableError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { Outage } from "../core/outage.ts";
import type { IdentityPlan } from "../plan/plan.ts";
import type { Sink } from "../sinks/port.ts";
import { KeyedState, type KeyedStateOptions } from "../state/keyed-state.ts";
import { KnownNames } from "../state/known-names.ts";
import type { InFlight } from "./commit/in-flight.ts";
import type { PackDerived } from "./commit/outbox.ts";
import { createRelay } from "./commit/relay.ts";
import { createSettlement, type Unsettled } from "./commit/settlement.ts";
import { tellWentBack } from "./commit/went-back.ts";
import type { Fill, Filled } from "./process/fill.ts";
import type { KeyedFill } from "./process/keyed-fill.ts";
import { Parking } from "./process/parking.ts";
import { Chain } from "./read/chain.ts";
import { type Cursor, cursorOn, LogReader } from "./read/log-reader.ts";
import type { Quarantine } from "./read/quarantine.ts";

export interface ReaderDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The sinks by the names of the pipeline's destinations; streams are not among them. */
  readonly sinks: ReadonlyMap<string, Sink>;
  readonly stages: Stages;
  /** How long names of events are remembered; not at all where there is none. */
  readonly identity: IdentityPlan | undefined;
  readonly pack: PackDerived;
  /** Commits must keep the order of the reads: the pipeline keeps state, or makes events whose order counts. */
  readonly inOrder: boolean;
  readonly gauge: InFlight;
  /** Lets one partition of the process at a time take up suspects. */
  readonly quarantine: Quarantine;
}

/** What events go through. */
export type Stages =
  | { readonly kind: "stateless"; readonly fill: Fill }
  | { readonly kind: "keyed"; readonly fill: KeyedFill; readonly state: KeyedStateOptions };

/**
 * Events that one read is to bring. Small reads keep few objects alive at once: with ten times as many the garbage collector took a
 * fifth more of the processor. Where state is kept, a read writes each key's state once: the more events, the fewer writes.
 */
const readEvents = { stateless: 1_000, keyed: 8_000 } as const;
const doorbellMs = 1_000;
/** How long a read that would bring little waits for more, while earlier ones settle, milliseconds. */
const gatherMs = 5;
/** So many may settle side by side; for each one beyond it the next waits longer. */
const freeReads = 16;
const gatherLongerMs = 2.5;
/** Between tries of a stage that asks for another one. */
const retryLimits = { initialMs: 50, maxMs: 5_000 } as const;

/**
 * Reads one partition for one pipeline, as its owner, until the lease is lost or `stop` aborts: its log, and beside it the log of
 * what is replayed.
 *
 *   pending first:  what an earlier owner was given and did not ack, from the first entry on
 *   then new:       read → decode → stages → sinks confirm → ONE commit (states, derived events, ledger, dead letters, acks) → …
 *
 * Invariant: nothing is acked before every sink has confirmed. Reading goes on while earlier reads settle. An answer that was
 * lost is found again, since entries given out are pending: after a failed read, the pending entries behind the last one received
 * are read first.
 *
 * Entries that were given out several times may be what ends their readers: they go in small groups, and the whole process does
 * nothing else with suspects meanwhile, so that few others die with them.
 *
 * `lost` aborts when the lease is gone: then nothing is committed any more. `stop` asks for an orderly end: what was read
 * is still settled. Where Redis goes back to an earlier state, what is in memory here is ahead of it: the reading ends as if the lease
 * were lost, and whoever takes it next begins anew.
 */
export async function readPartition(
  fence: Fence,
  deps: ReaderDeps,
  { stop, lost, lastDelivered }: { readonly stop: AbortSignal; readonly lost: AbortSignal; readonly lastDelivered: string },
): Promise<void> {
  const { bus, clock, logger, gauge } = deps;
  const ended = new AbortController();
  const gone = AbortSignal.any([lost, ended.signal]);
  const either = AbortSignal.any([stop, gone]);
  const eventsPerRead = readEvents[deps.stages.kind];
  const about = { partition: fence.partition.name, pipeline: fence.pipeline };
  const timersOutage = new Outage(
    { began: "timers cannot be looked at, trying again", over: "timers can be looked at again" },
    { clock, logger },
  );
  const { stages } = deps;
  const state = stages.kind === "keyed" ? new KeyedState(fence, deps, stages.state) : undefined;
  const known = deps.identity && new KnownNames(fence, bus, deps.identity);
  const parking = new Parking();
  const chain = new Chain();
  let wentBack: WentBack | undefined;
  const onLost = (back: WentBack | undefined) => {
    wentBack ??= back;
    ended.abort();
  };
  const relay = createRelay(fence, deps, { stop: either, gone, chain });
  const settlement = createSettlement(deps, { state, relay, chain, lost: gone, onLost });
  const reader = new LogReader(deps, { eventsPerRead, chain, onLost });
  const kind = fence.partition.adopted ? "plain" : "frames";
  const main = cursorOn(fence.partition, fence, { newest: lastDelivered, kind });
  const replay = cursorOn(replayOf(fence.partition, fence.pipeline), fence, { newest: "0-0", kind: "frames" });
  let last = replay;
  /** The next read of `last`, under way while the one before is taken through the stages. */
  let ahead: Promise<ReadResult | undefined> | undefined;
  /** Timers are due with no entry to go by: those that the last commit could not carry, or those that ring `atRest`. */
  let due: { readonly atRest: boolean } | undefined;
  /** What the stages had not taken when it was time to stop. */
  const untaken: Unsettled[] = [];

  relay.ring();
  while (!either.aborted && settlement.failure === undefined) {
    if (!(await gauge.room(either, eventsPerRead))) break;
    const found = await (due ? ringOn(due) : readOn()).finally(() => gauge.remove(eventsPerRead));
    if (found === "fenced" || found === "went-back") break;
    if (found === "failed") await reader.pause(either);
    else if (found === "suspects") await takeSuspects(last);
    else if (found === "stolen") await lookAgain(last);
    else if (found === "nothing") await rest(last);
  }
  // At an orderly end, what was read ahead was given out too. It must not overtake what was not taken.
  const given = gone.aborted || settlement.failure !== undefined ? undefined : await ahead;
  if (given?.kind === "entries" && !last.stolen) {
    if (untaken.length === 0) await take(last, given.entries);
    else leave(last, given.entries);
  }
  await settlement.idle();
  await handBack();
  if (!gone.aborted) await relay.done;
  if (wentBack) await tellWentBack(fence, { chain, left: wentBack.left }, deps);
  if (settlement.failure !== undefined && !gone.aborted) throw settlement.failure;

  function other(): Cursor {
    return last === main ? replay : main;
  }

  function isIdle({ idleUntil }: Cursor): boolean {
    return clock.monotonic() < idleUntil;
  }

  /** Both logs in turn, as long as both have something. */
  function next(): Cursor {
    return isIdle(other()) ? last : other();
  }

  /** Reads once, and takes what came. `undefined`: on with the next read. */
  async function readOn(): Promise<"failed" | "fenced" | "went-back" | "suspects" | "stolen" | "nothing" | undefined> {
    const result = await nextRead();
    if (result === undefined) return "failed";
    if (result.kind !== "entries") return result.kind;
    if (last.stolen) return "stolen";
    if (result.entries.length > 0) {
      await readAhead();
      await take(last, result.entries);
      await gather();
      return undefined;
    }
    if (last.from === "new") return "nothing";
    last.from = "new";
    return undefined;
  }

  /**
   * Lets more come together where a read has emptied the log and earlier ones are still settled: a read with its commit costs Redis
   * and the worker as much as some hundred events. Where they pile up, since a sink has fallen silent, ever more comes together: each
   * read that waits takes memory of its own, however little it holds.
   */
  async function gather(): Promise<void> {
    const { underWay } = settlement;
    if (last.isFull || last.from === "pending" || underWay === 0) return;
    const settled = new AbortController();
    settlement.onNext(() => settled.abort());
    await clock.sleep(Math.max(gatherMs, gatherLongerMs * (underWay - freeReads)), settled.signal);
  }

  function nextRead(): Promise<ReadResult | undefined> {
    const begun = ahead;
    ahead = undefined;
    if (begun) return begun;
    last = next();
    return reader.read(last, 0);
  }

  /**
   * Begins the next read where more is to be expected: Redis makes it ready while this one is taken through the stages. The client
   * writes at the end of the turn, so it is given one.
   */
  async function readAhead(): Promise<void> {
    if (last.from !== "new" || !last.isFull || !isIdle(other()) || !gauge.hasRoom) return;
    ahead = reader.read(last, 0);
    // It is awaited later: until then a failure must not count as unhandled.
    ahead.catch(() => {});
    await setImmediate();
  }

  async function take(from: Cursor, entries: readonly Entry[], atRest = false): Promise<void> {
    const filled = await fillWithRetry(from, entries, atRest);
    if (!filled) leave(from, entries);
    if (!filled || gone.aborted) return;
    if (filled.chunk.states) state?.accept(filled.chunk.states);
    if (filled.chunk.names) known?.accept(filled.chunk.names);
    settlement.add(from.fence, filled);
    // The next death would count against them again: they are to be through as soon as can be.
    if (from.from === "pending") for (const sink of deps.sinks.values()) sink.hurry?.();
    const { length } = filled.chunk.entries;
    if (length > 0) from.bytesEach = filled.chunk.bytes / length;
    if (length < entries.length) await take(from, entries.slice(length));
    else due = filled.moreDue ? { atRest: false } : undefined;
  }

  /** Leaves to the next owner what was given out and not taken. */
  function leave({ fence: of }: Cursor, entries: readonly Entry[]): void {
    untaken.push({ fence: of, entries: entries.map(({ id }) => id) });
  }

  /** Also for an owner that has read nothing yet: the timers of the one before go on. */
  async function isTimerDue(): Promise<boolean> {
    if (!state) return false;
    try {
      await state.open();
      timersOutage.over(about);
      return state.isDue(clock.now());
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      timersOutage.failed(error, about);
      return false;
    }
  }

  /** Lets timers ring that are due. */
  async function ringOn({ atRest }: { readonly atRest: boolean }): Promise<undefined> {
    due = undefined;
    await take(last, [], atRest);
  }

  /** Takes up one group of suspects, with nothing else of this partition under way, and no suspects of another one. */
  async function takeSuspects(from: Cursor): Promise<void> {
    await settlement.idle();
    await deps.quarantine.during(either, async () => {
      let result: ReadResult | undefined;
      while (result === undefined && !either.aborted) {
        await reader.pause(either);
        result = await reader.read(from, from.maxEntries);
      }
      if (result?.kind !== "entries") return;
      await take(from, result.entries);
      await settlement.idle();
    });
  }

  /** Waits for something new on either log. */
  async function rest(from: Cursor): Promise<void> {
    from.idleUntil = clock.monotonic() + doorbellMs;
    if (!isIdle(main) || !isIdle(replay)) return;
    due = (await isTimerDue()) ? { atRest: true } : undefined;
    if (due) return;
    // Frames that were taken off may be there again, where Redis has gone back and nothing else shows it.
    if (deps.inOrder) relay.ring();
    const watches = [main, replay].map(({ fence: { partition }, newest }) => ({ partition, after: newest }));
    await bus.wait(watches, doorbellMs, either);
    main.idleUntil = 0;
    replay.idleUntil = 0;
  }

  /**
   * Looks at everything that is pending, once what is under way is settled: what is left then was not read by us, and what came with
   * the news, which may be newer.
   */
  async function lookAgain(from: Cursor): Promise<void> {
    logger.warn(about, "a former owner has read after it lost the lease: its entries are taken up");
    await settlement.idle();
    from.stolen = false;
    from.from = "pending";
    from.received = "0-0";
  }

  /** An end in order, or for a reason that has a name, is no death: it must not count against what was under way. */
  async function handBack(): Promise<void> {
    const { failure } = settlement;
    if (gone.aborted || !(failure === undefined || failure instanceof HeadraceError)) return;
    for (const { fence, entries } of [...settlement.unsettled(), ...untaken]) {
      await bus.nack(fence, entries).catch((error) => {
        logger.warn({ ...about, error: messageOf(error) }, "entries could not be handed back: the stop counts as a delivery");
      });
    }
  }

  async function fill({ fence: { partition } }: Cursor, entries: readonly Entry[], atRest: boolean): Promise<Filled> {
    // What is replayed is to come through, though it was there before.
    const names = partition.side === "main" ? await known?.draft(clock.now()) : undefined;
    if (stages.kind === "stateless") return stages.fill(entries, { clock, logger, parking, names, signal: either });
    const { idle } = settlement;
    const now = clock.now();
    return stages.fill(entries, {
      ...{ clock, logger, parking, signal: either },
      ...{ state: state as KeyedState, names, now, atRest, idle, behind },
    });
  }

  /** What is read behind entries whose stages wait. It is taken after them, as what was read ahead always is. */
  async function behind(): Promise<readonly Entry[]> {
    if (last.from !== "new" || !(ahead || gauge.hasRoom)) return [];
    ahead ??= reader.read(last, 0);
    const result = await ahead;
    return result?.kind === "entries" ? result.entries : [];
  }

  /** What was read is taken through the stages, also when a stop came meanwhile; it is not tried again after one. */
  async function fillWithRetry(from: Cursor, entries: readonly Entry[], atRest: boolean): Promise<Filled | undefined> {
    for (let attempt = 0; attempt === 0 ? !gone.aborted : !either.aborted; attempt++) {
      try {
        return await fill(from, entries, atRest);
      } catch (error) {
        if (!(error instanceof RetryableError)) throw error;
        if (either.aborted) break;
        logger.warn({ ...about, error: messageOf(error) }, "a stage asked to try again");
        await clock.sleep(backoffMs(attempt, retryLimits), either);
      }
    }
    return undefined;
  }
}
