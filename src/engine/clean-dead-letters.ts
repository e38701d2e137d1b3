import { timeOfEntry } from "../bus/entry-id.ts";
import { partitionsOf } from "../bus/partition.ts";
import type { LogOperations } from "../bus/port.ts";
import { agreedTime } from "../core/agreed-time.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { days } from "../core/duration.ts";
import type { StreamPlan } from "../plan/plan.ts";

const defaultDays = 30;

export interface DeadLetterCleaning {
  readonly bus: LogOperations;
  /** Whole days. @default 30 */
  readonly keepDays: number | undefined;
  /** Says that it goes on. */
  readonly beat: () => void;
  /** Ours: where the log's is another, nothing is removed. @default the system's */
  readonly clock?: Clock;
}

/** Removes dead letters that are older than they are kept, and says how many it has looked at and removed. */
export async function cleanDeadLetters(
  streams: readonly StreamPlan[],
  { bus, keepDays = defaultDays, beat, clock = systemClock }: DeadLetterCleaning,
): Promise<{ readonly looked: number; readonly removed: number }> {
  const cleaned = { looked: 0, removed: 0 };
  for (const partition of streams.flatMap(partitionsOf)) {
    const before = agreedTime("Redis", await bus.time(partition), clock.now()) - days(keepDays);
    for await (const letter of bus.deadLetters(partition)) {
      beat();
      cleaned.looked++;
      // By Redis' own clock: `at` is that of the worker which set it aside.
      if ((timeOfEntry(letter.id) ?? Date.parse(letter.at)) >= before) continue;
      if ((await bus.discardDeadLetter(partition, letter)) !== "gone") cleaned.removed++;
    }
  }
  return cleaned;
}
