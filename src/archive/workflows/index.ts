/** The public door `headrace/archive/workflows`: it is bundled into the workflow sandbox. */
export { type ArchiveDayInput, type ArchivedDay, archiveDay } from "./archive-day.ts";
export { type ArchivedNight, type ArchiveNightlyInput, archiveNightly } from "./archive-nightly.ts";
export { cleanLogs } from "./clean-logs.ts";
