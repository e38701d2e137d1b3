/** The public door `headrace/archive`: the activities that the archive's workflows call. The workflows are in `headrace/archive/workflows`. */
export type {
  ArchiveCall,
  ArchivedColumn,
  ArchivedFile,
  ArchiveRun,
  ArchiveVerbs,
  Generation,
  Manifest,
  Sealed,
  Survey,
  TableDay,
} from "../plan/archive.ts";
export { type ArchiveActivities, type ArchiveActivityDeps, archiveActivities, type CleanedLogs } from "./activities.ts";
export type { Expired } from "./expire.ts";
