import type { Fence, PartitionLog, WentBack } from "../../bus/port.ts";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { retry } from "../../core/retry.ts";
import type { OwnerHistory } from "../read/owner-history.ts";

const retryLimits = { initialMs: 50, maxMs: 1_000, attempts: 10 } as const;

export interface WentBackDeps {
  readonly bus: PartitionLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Logs that Redis has gone back to an earlier state, and how many commits and reads it has forgotten. What is still in the log is read
 * again, and counts once. Events that are gone from it too may stand in tables: they are counted, for the audit.
 */
export async function tellWentBack(
  { partition, pipeline }: Fence,
  { history, left }: { readonly history: OwnerHistory; readonly left: WentBack["left"] },
  { bus, clock, logger }: WentBackDeps,
): Promise<void> {
  const { commits, reads } = history.known;
  const lost = { commits: Math.max(0, commits - left.commits), reads: Math.max(0, reads - left.reads) };
  const about = { partition: partition.name, pipeline };
  const tell = async () => {
    const vanished = await vanishedOf();
    if (vanished > 0) await bus.tellVanished(partition, vanished, { pipeline, kind: "given" });
    return vanished;
  };
  try {
    const vanished = await retry(tell, { ...retryLimits, clock });
    logger.error(
      { ...about, lost, vanished },
      "Redis has gone back to an earlier state: what it has forgotten is read again, from its own states; events that are gone may stand in tables",
    );
  } catch (error) {
    logger.error(
      { ...about, lost, error: messageOf(error) },
      "Redis has gone back to an earlier state; what is gone could not be counted",
    );
  }

  /** Of what was read, events that are not there to be read again. A log loses its newest entries. */
  async function vanishedOf(): Promise<number> {
    let vanished = 0;
    for (const { first, last, events } of history.lost(left)) {
      const kept = await bus.count(partition, first, last);
      for (const gone of events.slice(kept)) vanished += gone;
    }
    return vanished;
  }
}
