import { type Expired, expireArchives } from "../archive/expire.ts";
import type { ArchiveDeps } from "../archive/port.ts";
import { timeOfEntry } from "../bus/entry-id.ts";
import { partitionsOf } from "../bus/partition.ts";
import type { Bus } from "../bus/port.ts";
import { agreedTime } from "../core/agreed-time.ts";
import { days } from "../core/duration.ts";
import { ConfigError } from "../core/errors.ts";
import type { AppPlan } from "../plan/plan.ts";

export interface Cleaning {
  readonly app: AppPlan;
  readonly bus: Bus;
  /** Where the application archives something. */
  readonly archive: ArchiveDeps | undefined;
  /** Says that it goes on. */
  readonly beat: () => void;
}

const deadLetterDays = 30;

/** Removes dead letters and archives that are older than they are kept, and says how many it has looked at and removed. */
export async function cleanLogs({ app, bus, archive, beat }: Cleaning): Promise<Record<"deadLetters" | "archives", Expired>> {
  const keepLetters = daysOf("HEADRACE_DEAD_LETTER_DAYS") ?? deadLetterDays;
  const keepArchives = daysOf("HEADRACE_ARCHIVE_DAYS");
  const deadLetters = { looked: 0, removed: 0 };
  for (const partition of app.streams.flatMap(partitionsOf)) {
    const before = agreedTime("Redis", await bus.time(partition)) - days(keepLetters);
    for await (const letter of bus.deadLetters(partition)) {
      beat();
      deadLetters.looked++;
      // By Redis' own clock: `at` is that of the worker which set it aside.
      if ((timeOfEntry(letter.id) ?? Date.parse(letter.at)) >= before) continue;
      if ((await bus.discardDeadLetter(partition, letter)) !== "gone") deadLetters.removed++;
    }
  }
  const archives = archive ? await expireArchives(archive, { keepDays: keepArchives, beat }) : { looked: 0, removed: 0 };
  return { deadLetters, archives };
}

/** Whole days; nothing where the variable is not set. */
function daysOf(variable: string): number | undefined {
  const text = process.env[variable];
  if (text === undefined || text === "") return undefined;
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new ConfigError("config.environment", `${variable} is '${text}'`, { hint: "Give whole days, from 1." });
}
