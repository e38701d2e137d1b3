import { isBefore } from "../../bus/entry-id.ts";
import { keys } from "../../bus/partition.ts";
import type { Bus, Fence, FrameLink, OutboxEntry, OutboxRecord, Relayed, UnreadableRecord } from "../../bus/port.ts";
import { backoffMs } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { messageOf, RetryableError } from "../../core/errors.ts";
import { linkAbort } from "../../core/linked-abort.ts";
import type { Logger } from "../../core/log.ts";
import { Outage } from "../../core/outage.ts";
import type { Chain } from "../read/chain.ts";
import { isSameLink, lacksFrames, Strays } from "./strays.ts";

/** Frames of one look at the outbox. */
const pageSize = 64;
const retryLimits = { initialMs: 50, maxMs: 5_000 } as const;
/** Something in the outbox has to go first. */
const unreadableCode = "state.unreadable";

export interface Relay {
  /** There is something in the outbox, perhaps. */
  ring(): void;
  /** Resolves when the outbox is empty, or cannot be emptied and `stop` has aborted. */
  readonly done: Promise<void>;
}

/** A log that does not take its frames at present. */
interface Held {
  /** The partition's. */
  readonly name: string;
  /** Its frames lie behind this one. */
  readonly after: string | undefined;
  failed: number;
  /** When it began, and when the next try is due, by the monotonic clock. */
  readonly since: number;
  readonly until: number;
}

/**
 * Brings the frames of an outbox where they belong, those of each log in their order. That needs no lease: a frame names the one before
 * it, so one that two relays store is there once, and one whose predecessor is missing is told so. Taking them off the outbox does. A log that takes nothing at present
 * holds up no other; nor does a record that nobody can read, but for what comes next behind it in its own log.
 */
export function createRelay(
  fence: Fence,
  { bus, clock, logger }: { readonly bus: Bus; readonly clock: Clock; readonly logger: Logger },
  { stop, gone, chain }: { readonly stop: AbortSignal; readonly gone: AbortSignal; readonly chain: Pick<Chain, "known"> },
): Relay {
  const { partition, pipeline } = fence;
  const strays = new Strays(fence, { bus, logger });
  const outage = new Outage(
    { began: "derived events wait in the outbox", over: "derived events are passed on again" },
    { clock, logger },
  );
  const held = new Map<string, Held>();
  /** Everything before it was looked at, and only frames of logs that are held are left. */
  let looked: string | undefined;
  /** The newest record that nobody can read, of those that were told. */
  let unreadable: string | undefined;
  let rung = false;
  let running: Promise<void> | undefined;
  let rest = new AbortController();

  return {
    ring() {
      rung = true;
      rest.abort();
      running ??= run().finally(() => {
        running = undefined;
      });
    },
    get done() {
      return running ?? Promise.resolve();
    },
  };

  async function run(): Promise<void> {
    for (let failed = 0; (rung || failed > 0 || held.size > 0) && !gone.aborted; ) {
      rung = false;
      try {
        await tryHeld();
        await lookOn();
        failed = 0;
        outage.over({ partition: partition.name, pipeline });
      } catch (error) {
        if (!(error instanceof RetryableError)) return tell("error", error, "derived events cannot be passed on");
        failed++;
        outage.failed(error, { partition: partition.name, pipeline });
      }
      // What is left is for the next owner.
      if (stop.aborted && (failed > 0 || held.size > 0)) return;
      if (rung || (failed === 0 && held.size === 0)) continue;
      rest = new AbortController();
      const resting = linkAbort(stop, rest.signal);
      await clock.sleep(waitMs(failed), resting.signal);
      resting.unlink();
    }
  }

  function waitMs(failed: number): number {
    const next = [...held.values()].map(({ until }) => until - clock.monotonic());
    return Math.max(1, Math.min(...next, ...(failed > 0 ? [backoffMs(failed, retryLimits)] : [])));
  }

  /** Looks at what has come since the last look; at everything where nothing is held. */
  async function lookOn(): Promise<void> {
    if (held.size === 0) looked = undefined;
    for (let page = await look(looked); page.length > 0 && !gone.aborted; page = await look(looked)) {
      await store(
        page.filter(isReadable).filter(({ to }) => !held.has(to.log)),
        { after: looked, failed: 0, since: clock.monotonic() },
      );
      looked = page.at(-1)?.id;
    }
  }

  /** Takes up the logs again whose time has come. */
  async function tryHeld(): Promise<void> {
    for (const [log, { name, after, failed, since, until }] of [...held]) {
      if (until > clock.monotonic()) continue;
      held.delete(log);
      // What lies behind that is looked at with all others.
      const end = looked ?? "0-0";
      let from = after;
      for (let page = await look(from); page.length > 0 && !held.has(log) && !gone.aborted; page = await look(from)) {
        await store(
          page.filter(isReadable).filter(({ id, to }) => to.log === log && !isBefore(end, id)),
          { after: from, failed, since },
        );
        from = page.at(-1)?.id;
        if (from === undefined || isBefore(end, from)) break;
      }
      if (held.has(log) || gone.aborted) continue;
      const lastedMs = Math.round(clock.monotonic() - since);
      logger.info({ partition: partition.name, pipeline, lastedMs }, `derived events for '${name}' are passed on again`);
    }
  }

  async function look(after: string | undefined): Promise<readonly OutboxRecord[]> {
    const page = await bus.outbox(partition, pipeline, { count: pageSize, ...(after !== undefined && { after }) });
    const untold = page.filter((record) => !isReadable(record) && (unreadable === undefined || isBefore(unreadable, record.id)));
    const [first] = untold as UnreadableRecord[];
    if (first) {
      unreadable = untold.at(-1)?.id;
      const about = { partition: partition.name, pipeline, outbox: keys.outbox(partition, pipeline), records: untold.length };
      logger.error(
        { ...about, first: first.id, fault: first.fault },
        "derived events cannot be read in the outbox: they are left there",
      );
    }
    return page;
  }

  /**
   * What has to go first where a log lacks a frame: the oldest record before `entry` that nobody can read, or that the log lacks, since
   * it could not be read a moment ago, or since both have gone back and it is in the outbox again. None where somebody has given it up.
   */
  async function obstacleTo(entry: OutboxEntry, last: FrameLink | undefined): Promise<string | undefined> {
    for (let page = await look(undefined); page.length > 0 && !gone.aborted; page = await look(page.at(-1)?.id)) {
      for (const record of page) {
        if (!isBefore(record.id, entry.id)) return undefined;
        if (!isReadable(record)) return record.id;
        if (record.to.log === entry.to.log && isLacking(record, last)) return record.id;
      }
    }
    return undefined;
  }

  /** The frames of one log in their order, those of several side by side. */
  async function store(page: readonly OutboxEntry[], before: Pick<Held, "after" | "failed" | "since">): Promise<void> {
    const stored = new Set<string>();
    const byLog = new Map<string, OutboxEntry[]>();
    for (const entry of page) byLog.set(entry.to.log, [...(byLog.get(entry.to.log) ?? []), entry]);
    const logs = [...byLog.values()];
    const results = await Promise.allSettled(logs.map((frames) => storeInTurn(frames, stored)));
    if (stored.size > 0 && !(await bus.relayed(fence, [...stored], chain.known.commits)))
      throw new RetryableError("service.unreachable", "the outbox has another owner, or has gone back to an earlier state");
    for (const [i, result] of results.entries()) {
      if (result.status === "fulfilled") continue;
      const [{ to }] = logs[i] as [OutboxEntry];
      const failed = before.failed + 1;
      if (failed === 1) tell("warn", result.reason, `derived events for '${to.name}' wait in the outbox`);
      // What has to go first may lie anywhere.
      const after = isObstacle(result.reason) ? undefined : before.after;
      held.set(to.log, {
        name: to.name,
        after,
        failed,
        since: before.since,
        until: clock.monotonic() + backoffMs(failed, retryLimits),
      });
    }
  }

  /** @throws whatever has kept a frame from being stored: those behind it are left */
  async function storeInTurn(frames: readonly OutboxEntry[], stored: Set<string>): Promise<void> {
    for (let i = 0; i < frames.length; i++) {
      if (gone.aborted) return;
      const entry = frames[i] as OutboxEntry;
      let answer = await bus.relay(strays.without(entry));
      if (answer.kind === "unlinked") {
        const { last } = answer;
        const later = frames.findIndex(({ frame }) => last && isSameLink(frame, last));
        if (later > i) {
          // Another relay has stored these, and not taken them off.
          for (const { id } of frames.slice(i, later + 1)) stored.add(id);
          i = later;
          continue;
        }
        answer = isSameLink(last, entry.after) ? await retell(entry) : await linkAnew(entry, last);
      }
      if (answer.kind === "superseded" || answer.kind === "unlinked")
        throw new RetryableError("service.unreachable", `${entry.to.name}: another relay of this outbox has come in between`);
      stored.add(entry.id);
    }

    /** The log has strays that were not known here. */
    async function retell(entry: OutboxEntry): Promise<Relayed> {
      await strays.open(entry.to);
      return bus.relay(strays.without(entry));
    }

    async function linkAnew(entry: OutboxEntry, last: Parameters<typeof strays.relink>[1]): Promise<Relayed> {
      const obstacle = lacksFrames(entry.after, last) ? await obstacleTo(entry, last) : undefined;
      if (obstacle !== undefined) {
        for (const frame of frames) if (isLacking(frame, last)) stored.delete(frame.id);
        throw new RetryableError(unreadableCode, `the record ${obstacle} of the outbox has to go first`);
      }
      const instead = await strays.relink(entry, last);
      const answer = await bus.relay({ ...strays.without(entry), instead });
      if (answer.kind === "stored" && instead.vanished > 0)
        await bus.tellVanished(partition, instead.vanished, { pipeline, kind: "derived" });
      return answer;
    }
  }

  function tell(level: "warn" | "error", error: unknown, what: string): void {
    logger[level]({ partition: partition.name, pipeline, error: messageOf(error) }, what);
  }
}

/** Whether a log, of which `last` is the last frame there, is without that of a record. */
const isLacking = ({ frame }: OutboxEntry, last: FrameLink | undefined): boolean =>
  !isSameLink(frame, last) && lacksFrames(frame, last);

const isObstacle = (error: unknown): boolean => error instanceof RetryableError && error.code === unreadableCode;

const isReadable = (record: OutboxRecord): record is OutboxEntry => record.to !== undefined;
