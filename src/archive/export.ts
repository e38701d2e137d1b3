import { randomBytes } from "node:crypto";
import { ConfigError, TerminalError } from "../core/errors.ts";
import type { ArchiveCall, ArchivedFile, ArchiveRun, Generation, Survey } from "../plan/archive.ts";
import type { ArchiveDeps, ArchiveTables } from "./port.ts";

export const folderOf = ({ table, day, generation }: Generation): string => `${table}/${day}/${generation}`;

/** What a run has called a file. */
const prefixOf = (run: ArchiveRun): string => `${folderOf(run)}/${run.run}-`;

/**
 * Writes the rows that were surveyed into files, by hours. Every try writes under names of its own, so a file is written once; those that
 * an earlier try has finished are kept, as it said with its beats.
 */
export async function exportDay(
  run: ArchiveRun,
  { survey, time }: { readonly survey: Survey; readonly time: string },
  {
    tables,
    store,
    rowsPerFile = 5_000_000,
    call,
  }: Pick<ArchiveDeps, "store" | "rowsPerFile"> & {
    readonly tables: ArchiveTables;
    readonly call: ArchiveCall;
  },
): Promise<readonly ArchivedFile[]> {
  const column = survey.columns.find(({ name }) => name === time);
  if (!column) throw new ConfigError("archive.refused", `there is no column '${time}' in ${run.table}`);
  const slices = slicesOf(survey.hours, rowsPerFile);
  const kept = (call.resume ?? []) as readonly ArchivedFile[];
  const files: ArchivedFile[] = kept.filter(({ path }) => path.startsWith(prefixOf(run))).slice(0, slices.length);
  for (const hours of slices.slice(files.length)) {
    call.signal.throwIfAborted();
    const path = `${prefixOf(run)}${hours.map((hour) => String(hour).padStart(2, "0")).join("-")}-${randomBytes(4).toString("hex")}.parquet`;
    const location = store.locate(path);
    await tables.writeFile(location, { name: run.table, day: run.day, columns: survey.columns, time: column, hours });
    files.push({ path, ...(await tables.measureFile(location, survey.columns)) });
    call.beat(files);
  }
  return files;
}

/** Hours that go into one file each, as few as hold no more than `rowsPerFile` rows, or one hour. */
function slicesOf(hours: readonly number[], rowsPerFile: number): readonly (readonly [from: number, to: number])[] {
  const slices: [from: number, to: number][] = [];
  let rows = 0;
  hours.forEach((count, hour) => {
    const last = slices.at(-1);
    if (last === undefined || (count > 0 && rows > 0 && rows + count > rowsPerFile)) {
      slices.push([hour, hour]);
      rows = count;
      return;
    }
    last[1] = hour;
    rows += count;
  });
  return slices;
}

/** Removes what a run has written, whether it is told of or not. */
export async function removeRun(run: ArchiveRun, { store }: Pick<ArchiveDeps, "store">): Promise<void> {
  const files = await store.files(run);
  await store.remove(files.filter((path) => path.startsWith(prefixOf(run))));
}

/** Throws unless the files hold the rows that were surveyed, and these columns. */
export async function verifyFiles(
  files: readonly ArchivedFile[],
  { survey, time }: { readonly survey: Survey; readonly time: string },
  { tables, store }: Pick<ArchiveDeps, "store"> & { readonly tables: ArchiveTables },
): Promise<void> {
  const mismatch = (what: string) => {
    throw new TerminalError("archive.mismatch", `the files do not hold what was in the table: ${what}`, {
      hint: "Nothing was lost. If rows were written at that time, start it again.",
    });
  };
  const wanted = survey.columns.map(({ name }) => name).join(", ");
  for (const { path } of files) {
    const names = (await tables.fileColumns(store.locate(path))).join(", ");
    if (names !== wanted) mismatch(`${path} has the columns ${names}, and the table has ${wanted}`);
  }
  const found = await tables.surveyFiles(
    files.map(({ path }) => store.locate(path)),
    survey.columns,
    time,
  );
  if (found.rows !== survey.rows) mismatch(`${found.rows} rows are there, and ${survey.rows} were counted`);
  if (found.hash !== survey.hash) mismatch(`the hash of ${found.rows} rows is ${found.hash}, and was ${survey.hash}`);
}
