import type { CleanedLogs } from "../archive/activities.ts";
import { expireArchives } from "../archive/expire.ts";
import type { ArchiveDeps } from "../archive/port.ts";
import { timeOfEntry } from "../bus/entry-id.ts";
import { partitionsOf } from "../bus/partition.ts";
import type { LogOperations } from "../bus/port.ts";
import { agreedTime } from "../core/agreed-time.ts";
import { days } from "../core/duration.ts";
import type { AppPlan } from "../plan/plan.ts";

/** For how long logs are kept. */
export interface KeepLogs {
  /** Whole days. @default 30 */
  readonly deadLetterDays?: number | undefined;
  /** Whole days; archives of older days are removed for good. @default for ever */
  readonly archiveDays?: number | undefined;
}

export interface Cleaning {
  readonly app: AppPlan;
  readonly bus: LogOperations;
  /** Where the application archives something. */
  readonly archive: ArchiveDeps | undefined;
  readonly keep: KeepLogs;
  /** Says that it goes on. */
  readonly beat: () => void;
}

const defaultDays = 30;

/** Removes dead letters and archives that are older than they are kept, and says how many it has looked at and removed. */
export async function cleanLogs({ app, bus, archive, keep, beat }: Cleaning): Promise<CleanedLogs> {
  const { deadLetterDays = defaultDays, archiveDays } = keep;
  const deadLetters = { looked: 0, removed: 0 };
  for (const partition of app.streams.flatMap(partitionsOf)) {
    const before = agreedTime("Redis", await bus.time(partition)) - days(deadLetterDays);
    for await (const letter of bus.deadLetters(partition)) {
      beat();
      deadLetters.looked++;
      // By Redis' own clock: `at` is that of the worker which set it aside.
      if ((timeOfEntry(letter.id) ?? Date.parse(letter.at)) >= before) continue;
      if ((await bus.discardDeadLetter(partition, letter)) !== "gone") deadLetters.removed++;
    }
  }
  const archives = archive ? await expireArchives(archive, { keepDays: archiveDays, beat }) : { looked: 0, removed: 0 };
  return { deadLetters, archives };
}
