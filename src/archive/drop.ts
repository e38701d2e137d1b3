import { RetryableError, TerminalError } from "../core/errors.ts";
import type { Generation, Survey } from "../plan/archive.ts";
import { archivedTable, timeColumn } from "./archived-day.ts";
import { asideName } from "./aside.ts";
import type { ArchiveDeps, ArchiveTables } from "./port.ts";
import { reopen } from "./put-back.ts";
import { loadGeneration } from "./restore.ts";
import { stateOf } from "./seal.ts";

type Deps = ArchiveDeps & { readonly inDay: ArchiveTables };

/**
 * Takes the rows out of the table. They are moved aside at once, and counted there, where nobody can add to them: a row that comes now
 * begins a new hot part of the day. Only when they are those of the manifest does the table aside get the name that decides.
 */
export async function dropDay(of: Generation, survey: Survey, { inDay: tables, ...deps }: Deps): Promise<void> {
  const plan = archivedTable(of.table, deps.archives);
  const [sealed, gone] = [asideName("sealed", of), asideName("gone", of)];
  if (await tables.hasTable(sealed)) {
    const published = (await deps.store.manifests(of)).find(({ generation }) => generation === of.generation);
    if (published?.hash !== survey.hash || published.rows !== survey.rows)
      throw new TerminalError("archive.mismatch", `no manifest of generation ${of.generation} says what was surveyed`);
    // From now on nobody counts the hot part of the day alone for the whole of it.
    await tables.setState(of, "dropping", survey);
    if ((await tables.storedRows(sealed)).size === 0) await tables.move(of.table, sealed, of);
    const found = await tables.surveyDay(sealed, of.day, survey.columns, timeColumn(plan));
    if (found.rows !== survey.rows || found.hash !== survey.hash) throw changed(of, survey, found);
    const others = (await tables.states(of)).filter(({ generation }) => generation !== of.generation);
    // The rows of earlier generations are not here: what was counted of them and of these by the last count stays.
    if (!others.some(({ state }) => state === "archived" || state === "dropping"))
      await deps.counters.settle(plan, of.day, sealed);
    // Another try of this step was faster, or the step has been undone: the next try sees which.
    if (!(await tables.rename(sealed, gone)))
      throw new RetryableError("clickhouse.retry", `${sealed} has gone while it was counted`);
  } else if ((await stateOf(of, tables)) !== "dropping") {
    throw new TerminalError("archive.undone", `generation ${of.generation} of ${of.table} on ${of.day} was given up`);
  }
  await tables.drop(gone);
}

/** Undoes it, however far it had come: by what lies aside, or by what is in the archive. */
export async function undrop(of: Generation, { inDay: tables, ...deps }: Deps): Promise<void> {
  const plan = archivedTable(of.table, deps.archives);
  const state = await stateOf(of, tables);
  const decided = await tables.rename(asideName("gone", of), asideName("closed", of));
  const wasAside = (await reopen(of, tables)) || decided;
  if (state === "dropping" && !wasAside) await loadGeneration(of, plan, { tables, store: deps.store });
  if (state === "dropping") await tables.setState(of, "sealed");
  await deps.counters.touched(plan, of.day);
}

export const changed = ({ table, day }: { readonly table: string; readonly day: string }, before: Survey, now: Survey) =>
  new TerminalError(
    "archive.changed",
    `${table} had ${before.rows} rows on ${day} when they were surveyed, and has ${now.rows} now, hash ${now.hash} instead of ${before.hash}`,
    { hint: "Nothing was lost: start it again when no more rows come." },
  );
