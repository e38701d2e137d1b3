import type { CleanedLogs } from "../archive/activities.ts";
import { expireArchives } from "../archive/expire.ts";
import type { ArchiveDeps } from "../archive/port.ts";
import type { LogOperations } from "../bus/port.ts";
import { cleanDeadLetters } from "../engine/clean-dead-letters.ts";
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

/** Removes dead letters and archives that are older than they are kept, and says how many it has looked at and removed. */
export async function cleanLogs({ app, bus, archive, keep, beat }: Cleaning): Promise<CleanedLogs> {
  const deadLetters = await cleanDeadLetters(app.streams, { bus, keepDays: keep.deadLetterDays, beat });
  const archives = archive ? await expireArchives(archive, { keepDays: keep.archiveDays, beat }) : { looked: 0, removed: 0 };
  return { deadLetters, archives };
}
