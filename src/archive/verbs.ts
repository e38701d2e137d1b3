import type { ArchiveCall, ArchiveVerbs, TableDay } from "../plan/archive.ts";
import { archivedTable, checkedTable, timeColumn } from "./archived-day.ts";
import { changed, dropDay, undrop } from "./drop.ts";
import { exportDay, removeRun, verifyFiles } from "./export.ts";
import type { ArchiveDeps } from "./port.ts";
import { recordDay } from "./record.ts";
import { sealDay, unsealDay } from "./seal.ts";

/** What the saga of the archive calls, over ClickHouse and a store. */
export function createArchive(deps: ArchiveDeps): ArchiveVerbs {
  const { archives, store, counters } = deps;
  const tablesFor = ({ signal }: ArchiveCall) => deps.tables(signal);
  const timeOf = ({ table }: TableDay) => timeColumn(archivedTable(table, archives));
  const survey = async (day: TableDay, call: ArchiveCall) => {
    const tables = tablesFor(call);
    return tables.surveyDay(day.table, day.day, await tables.columns(day.table), timeOf(day));
  };
  return {
    async seal(day, call) {
      await checkedTable(day, deps);
      return sealDay(day, tablesFor(call), deps);
    },
    async unseal(day, call) {
      await unsealDay(day, tablesFor(call));
      // One that is not archived, or no more, was refused: nothing has counted it anew.
      const table = archives.find(({ name }) => name === day.table);
      if (table) await counters.touched(table, day.day);
    },
    survey,
    export: (run, surveyed, call) =>
      exportDay(
        run,
        { survey: surveyed, time: timeOf(run) },
        { store, tables: tablesFor(call), call, ...(deps.rowsPerFile && { rowsPerFile: deps.rowsPerFile }) },
      ),
    removeFiles: (run) => removeRun(run, deps),
    verify: (of, files, surveyed, call) =>
      verifyFiles(files, { survey: surveyed, time: timeOf(of) }, { store, tables: tablesFor(call) }),
    async publish(manifest) {
      await store.settle(manifest.files.map(({ path }) => path));
      await store.publish(manifest);
    },
    withdraw: (of) => store.withdraw(of),
    async recount(day, surveyed, call) {
      const now = await survey(day, call);
      if (now.rows !== surveyed.rows || now.hash !== surveyed.hash) throw changed(day, surveyed, now);
    },
    drop: (of, surveyed, call) => dropDay(of, surveyed, { ...deps, inDay: tablesFor(call) }),
    putBack: (of, call) => undrop(of, { ...deps, inDay: tablesFor(call) }),
    record: (of, surveyed, call) => recordDay(of, surveyed, { tables: tablesFor(call), store }),
  };
}
