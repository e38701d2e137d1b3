import type { Partition } from "../bus/partition.ts";
import type { HeldBack, LogOperations } from "../bus/port.ts";
import type { Clock } from "../core/clock.ts";
import { days, hours, minutes, seconds } from "../core/duration.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { shellWord } from "../core/shell-word.ts";
import type { StreamPlan } from "../plan/plan.ts";

export interface TrimmerDeps {
  readonly bus: LogOperations;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A partition to keep trimmed. */
export interface Trimming {
  readonly partition: Partition;
  readonly stream: StreamPlan;
  /** The pipelines that are to read it, also those that have not begun. */
  readonly groups: readonly string[];
}

/** Between two trims of a partition: half of it to one and a half, so that partitions do not all come at once. */
const everyMs = seconds(10);
/** A group that holds entries for so long beyond their retention is logged. */
const alarmAfterMs = minutes(10);
/** How often one group of a stream is logged. */
const alarmEveryMs = hours(1);
/** A producer takes a new incarnation after a day of silence (see producer.ts), so that none is forgotten while its numbers go on. */
const forgetAfterMs = days(7);
const forgetEveryMs = hours(1);

/**
 * Trims the partitions that a worker owns, now and then, within their retention; and logs which group keeps a stream from being trimmed.
 * What one group has not finished with is never removed, so a group that nobody runs any more fills Redis.
 */
export class Trimmer {
  readonly #deps: TrimmerDeps;
  /** When a partition is due again, by its log: pipelines that share it share its trimming. */
  readonly #due = new Map<string, number>();
  readonly #forgotten = new Map<string, number>();
  /** When a group was last logged, by stream and group. */
  readonly #told = new Map<string, number>();

  constructor(deps: TrimmerDeps) {
    this.#deps = deps;
  }

  /** Keeps the partition trimmed as long as `work` lasts. */
  async during(trimming: Trimming, work: () => Promise<void>): Promise<void> {
    // A stream that is somebody else's is not touched unless its definition asks for it.
    if (trimming.partition.adopted && !trimming.stream.retention) return work();
    const done = new AbortController();
    const keeping = this.#keep(trimming, done.signal);
    try {
      await work();
    } finally {
      done.abort();
      await keeping;
    }
  }

  async #keep(trimming: Trimming, done: AbortSignal): Promise<void> {
    const { bus, clock, logger } = this.#deps;
    const { log, name } = trimming.partition;
    for (;;) {
      await clock.sleep(everyMs * (0.5 + Math.random()), done);
      if (done.aborted) return;
      const now = clock.monotonic();
      if (now < (this.#due.get(log) ?? 0)) continue;
      this.#due.set(log, now + everyMs / 2);
      try {
        await this.#trim(trimming, done);
        if (trimming.partition.adopted || now < (this.#forgotten.get(log) ?? 0)) continue;
        await bus.forgetProducers(trimming.partition, forgetAfterMs);
        this.#forgotten.set(log, now + forgetEveryMs);
      } catch (error) {
        // The next trim does it; until then it only costs memory.
        logger.debug({ partition: name, error: messageOf(error) }, "trimming failed, trying again");
      }
    }
  }

  async #trim({ partition, stream: { retention }, groups }: Trimming, done: AbortSignal): Promise<void> {
    if (!retention) return;
    let removed = 0;
    while (!done.aborted) {
      const trimmed = await this.#deps.bus.trim(partition, { retention, groups });
      removed += trimmed.removed;
      if (trimmed.held) this.#alarm(partition, trimmed.held, retention.maxAgeMs ?? 0);
      if (!trimmed.more) break;
    }
    if (removed > 0) this.#deps.logger.debug({ partition: partition.name, entries: removed }, "trimmed");
  }

  #alarm(partition: Partition, held: HeldBack, maxAgeMs: number): void {
    const { clock, logger } = this.#deps;
    const { group, entry, ageMs, pendingEntries, lagEntries } = held;
    if (ageMs < maxAgeMs + alarmAfterMs) return;
    const name = `${partition.stream} ${group}`;
    const now = clock.monotonic();
    if (now < (this.#told.get(name) ?? 0)) return;
    this.#told.set(name, now + alarmEveryMs);
    const wayOut = held.missing
      ? `start the pipeline '${group}', which has never read it, or take it out of the application`
      : `start the pipeline that reads with it; when nobody needs it any more, remove it from each partition: ${destroyGroup(partition, group)}`;
    logger.warn(
      { partition: partition.name, group, entry, behindMs: ageMs, pendingEntries, lagEntries },
      `the group '${group}' keeps '${partition.stream}' from being trimmed, and Redis fills up ('headrace doctor' lists all of them): ${wayOut}`,
    );
  }
}

/** Removes a group, and with it its claim to what it has not read. */
const destroyGroup = (partition: Partition, group: string): string =>
  `redis-cli XGROUP DESTROY ${shellWord(partition.log)} ${shellWord(group)}`;
