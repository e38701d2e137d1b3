import { ApplicationFailure, Context } from "@temporalio/activity";
import type { ArchiveCall, ArchivedFile, ArchiveRun, ArchiveVerbs, Generation, Manifest, Survey, TableDay } from "headrace";

export interface ArchiveDeps {
  readonly archive: ArchiveVerbs;
  /** Removes what is older than the application keeps it, and counts it. */
  readonly cleanLogs: (beat: () => void) => Promise<CleanedLogs>;
}

export interface CleanedLogs {
  readonly deadLetters: { readonly looked: number; readonly removed: number };
  readonly archives: { readonly looked: number; readonly removed: number };
}

/** What waiting does not mend. */
const refusals: readonly string[] = ["usage", "config.environment", "clickhouse.schema", "archive.refused"];

/** Below the shortest heartbeat time-out that a step has. */
const beatMs = 5_000;

/**
 * The archive's verbs, by the key of their step. They run for long in one statement, so a timer says that they are alive; a refusal is
 * told as what it is, and all else is tried again.
 */
export const archiveActivities = ({ archive, cleanLogs }: ArchiveDeps) => ({
  sealDay: (_key: string, day: TableDay) => beating((call) => archive.seal(day, call)),
  unsealDay: (_key: string, day: TableDay) => insisting((call) => archive.unseal(day, call)),
  surveyDay: (_key: string, day: TableDay) => beating((call) => archive.survey(day, call)),
  exportDay: (_key: string, run: ArchiveRun, survey: Survey) => beating((call) => archive.export(run, survey, call)),
  removeFiles: (_key: string, run: ArchiveRun) => insisting((call) => archive.removeFiles(run, call)),
  verifyFiles: (_key: string, of: Generation, files: readonly ArchivedFile[], survey: Survey) =>
    beating((call) => archive.verify(of, files, survey, call)),
  publishManifest: (_key: string, manifest: Manifest) => beating((call) => archive.publish(manifest, call)),
  withdrawManifest: (_key: string, of: Generation) => insisting((call) => archive.withdraw(of, call)),
  recountDay: (_key: string, day: TableDay, survey: Survey) => beating((call) => archive.recount(day, survey, call)),
  dropDay: (_key: string, of: Generation, survey: Survey) => beating((call) => archive.drop(of, survey, call)),
  putDayBack: (_key: string, of: Generation) => insisting((call) => archive.putBack(of, call)),
  recordArchive: (_key: string, of: Generation, survey: Survey) => insisting((call) => archive.record(of, survey, call)),
  cleanLogs: (_key: string) => beating(({ beat }) => cleanLogs(beat)),
});

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
    const { name, code, message } = error as { readonly name?: string; readonly code?: string; readonly message: string };
    const isRefused = name === "TerminalError" || refusals.includes(code ?? "");
    if (!isRefused || !isRefusable) throw error;
    throw ApplicationFailure.create({ message, type: code ?? "Refused", nonRetryable: true });
  } finally {
    clearInterval(timer);
  }
}
