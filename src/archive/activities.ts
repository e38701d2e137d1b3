import { ApplicationFailure, Context } from "@temporalio/activity";
import { ConfigError, HeadraceError, TerminalError } from "../core/errors.ts";
import type {
  ArchiveCall,
  ArchivedFile,
  ArchiveRun,
  ArchiveVerbs,
  Generation,
  Manifest,
  Survey,
  TableDay,
} from "../plan/archive.ts";
import type { Expired } from "./expire.ts";

/** What the activities of the archive need: a part of the `ActivityDeps` of `headrace/host`. */
export interface ArchiveActivityDeps {
  /** There where the application archives something. */
  readonly archive?: ArchiveVerbs | undefined;
  /** Removes what is older than the application keeps it, and counts it; `beat` is called as it goes on. */
  readonly cleanLogs: (beat: () => void) => Promise<CleanedLogs>;
}

/** What was cleaned. */
export interface CleanedLogs {
  /** Dead letters of all streams. */
  readonly deadLetters: Expired;
  /** Generations of archived days. */
  readonly archives: Expired;
}

/** What waiting does not mend. */
const refusals: readonly string[] = ["usage", "config.environment", "clickhouse.schema", "archive.refused"];

const isRefusal = (error: unknown): error is HeadraceError =>
  error instanceof TerminalError || (error instanceof HeadraceError && refusals.includes(error.code));

/** Below the shortest heartbeat time-out that a step has. */
const beatMs = 5_000;

/**
 * What `archiveActivities` makes, for the type of an application's own activities.
 *
 * @example
 * ```ts
 * type Everything = ArchiveActivities & { sendMail(key: string, to: string): Promise<void> };
 * ```
 */
export type ArchiveActivities = ReturnType<typeof archiveActivities>;

/**
 * What the workflows of the archive call, by the key of their step. The verbs run for long in one statement, so a timer says that they
 * are alive; a refusal is told as what it is, and all else is tried again.
 *
 * @throws nothing by itself; an activity fails with the code of a refusal as its type, where the application archives nothing too
 * @example
 * ```ts
 * import type { ActivityDeps } from "headrace/host";
 *
 * // activities/index.ts
 * export const createActivities = (deps: ActivityDeps) => ({ ...archiveActivities(deps) });
 * ```
 */
export function archiveActivities({ archive, cleanLogs }: ArchiveActivityDeps) {
  const verbs = (): ArchiveVerbs => {
    if (archive) return archive;
    throw new ConfigError("usage", "the application archives nothing", { hint: "Name tables in `archives` of defineApp." });
  };
  return {
    sealDay: (_key: string, day: TableDay) => beating((call) => verbs().seal(day, call)),
    unsealDay: (_key: string, day: TableDay) => insisting((call) => verbs().unseal(day, call)),
    surveyDay: (_key: string, day: TableDay) => beating((call) => verbs().survey(day, call)),
    exportDay: (_key: string, run: ArchiveRun, survey: Survey) => beating((call) => verbs().export(run, survey, call)),
    removeFiles: (_key: string, run: ArchiveRun) => insisting((call) => verbs().removeFiles(run, call)),
    verifyFiles: (_key: string, of: Generation, files: readonly ArchivedFile[], survey: Survey) =>
      beating((call) => verbs().verify(of, files, survey, call)),
    publishManifest: (_key: string, manifest: Manifest) => beating((call) => verbs().publish(manifest, call)),
    withdrawManifest: (_key: string, of: Generation) => insisting((call) => verbs().withdraw(of, call)),
    recountDay: (_key: string, day: TableDay, survey: Survey) => beating((call) => verbs().recount(day, survey, call)),
    dropDay: (_key: string, of: Generation, survey: Survey) => beating((call) => verbs().drop(of, survey, call)),
    putDayBack: (_key: string, of: Generation) => insisting((call) => verbs().putBack(of, call)),
    recordArchive: (_key: string, of: Generation, survey: Survey) => insisting((call) => verbs().record(of, survey, call)),
    cleanLogs: (_key: string) => beating(({ beat }) => cleanLogs(beat)),
  };
}

/** What has to succeed: there is nothing to fall back on. */
const insisting = <Result>(verb: (call: ArchiveCall) => Promise<Result>) => beating(verb, { isRefusable: false });

async function beating<Result>(
  verb: (call: ArchiveCall) => Promise<Result>,
  { isRefusable = true }: { readonly isRefusable?: boolean } = {},
): Promise<Result> {
  const context = Context.current();
  const { cancellationSignal: signal, info } = context;
  const resume: unknown = info.heartbeatDetails;
  let progress = resume;
  const timer = setInterval(() => context.heartbeat(progress), beatMs);
  const beat = (more?: unknown) => {
    progress = more ?? progress;
    context.heartbeat(progress);
  };
  try {
    return await verb({ signal, beat, ...(resume !== undefined && { resume }) });
  } catch (error) {
    if (!isRefusable || !isRefusal(error)) throw error;
    throw ApplicationFailure.create({ message: error.message, type: error.code, nonRetryable: true });
  } finally {
    clearInterval(timer);
  }
}
