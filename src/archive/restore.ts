import { days } from "../core/duration.ts";
import { ConfigError, TerminalError } from "../core/errors.ts";
import type { Generation, Manifest, TableDay } from "../plan/archive.ts";
import { startOfDay } from "../plan/archive.ts";
import type { TablePlan } from "../plan/table.ts";
import { checkedTable, timeColumn } from "./archived-day.ts";
import { asideName } from "./aside.ts";
import { verifyFiles } from "./export.ts";
import type { ArchiveDeps, ArchiveStore, ArchiveTables } from "./port.ts";

export interface Restored {
  readonly manifests: readonly Manifest[];
  /** Nothing had to be done. */
  readonly wasThere: boolean;
}

/**
 * Brings every generation of a day back into its table. Each is read again, compared with its manifest, and loaded beside the table; then
 * its parts are let in at once. They are added to the late rows that are there, which replacing the partition would lose; a row that is
 * there already counts once. So it may be done again, and be stopped at any moment.
 */
export async function restoreDay(day: TableDay, deps: ArchiveDeps, signal?: AbortSignal): Promise<Restored> {
  const plan = await checkedTable(day, deps);
  const tables = deps.tables(signal);
  const manifests = await deps.store.manifests(day);
  if (manifests.length === 0)
    throw new ConfigError("usage", `${day.table} has nothing in the archive of ${day.day}`, {
      hint: "'headrace archive ls' lists what there is.",
    });
  await tables.prepare();
  const states = new Map((await tables.states(day)).map(({ generation, state }) => [generation, state]));
  const open = [...states].find(([, state]) => state === "sealed" || state === "dropping");
  if (open)
    throw new ConfigError("archive.refused", `${day.table} of ${day.day} is being archived, as generation ${open[0]}`, {
      hint: `Wait for it, or have it finished with 'headrace archive run ${day.table} ${day.day}'.`,
    });
  checkAge(day, plan, await deps.now());
  const rows = (await tables.storedRows(day.table, day.day)).get(day.day)?.rows ?? 0;
  const most = Math.max(...manifests.map((one) => one.rows));
  if (rows >= most && manifests.every(({ generation }) => states.get(generation) === "restored"))
    return { manifests, wasThere: true };
  for (const manifest of manifests) await loadGeneration(manifest, plan, { tables, store: deps.store });
  for (const manifest of manifests) await tables.setState(manifest, "restored", manifest);
  await deps.counters.touched(plan, day.day);
  return { manifests, wasThere: false };
}

/** Lets a generation into its table again. */
export async function loadGeneration(
  of: Generation,
  plan: TablePlan,
  { tables, store }: { readonly tables: ArchiveTables; readonly store: ArchiveStore },
): Promise<void> {
  const manifest = (await store.manifests(of)).find(({ generation }) => generation === of.generation);
  if (!manifest)
    throw new TerminalError("archive.mismatch", `generation ${of.generation} of ${of.table} on ${of.day} has no manifest`);
  const time = timeColumn(plan);
  await verifyFiles(manifest.files, { survey: manifest, time }, { tables, store });
  const stage = asideName("stage", of);
  await tables.drop(stage);
  await tables.createLike(stage, of.table);
  const now = new Map((await tables.columns(of.table)).map(({ name, type }) => [name, type]));
  const kept = manifest.columns.filter(({ name }) => now.has(name));
  const locations = manifest.files.map(({ path }) => store.locate(path));
  await tables.load(stage, locations, manifest.columns, kept);
  const found = await tables.surveyDay(stage, of.day, kept, time);
  // A table that has changed since then holds the rows in another form; the files were compared before.
  const isSame = kept.length === manifest.columns.length && kept.every(({ name, type }) => now.get(name) === type);
  if (found.rows !== manifest.rows || (isSame && found.hash !== manifest.hash))
    throw new TerminalError(
      "archive.mismatch",
      `${found.rows} rows came out of the archive, hash ${found.hash}; ${manifest.rows} went in, hash ${manifest.hash}`,
    );
  await tables.attach(of.table, stage, of);
  await tables.drop(stage);
}

function checkAge({ table, day }: TableDay, { ttl }: TablePlan, now: number): void {
  if (ttl === undefined || (startOfDay(day) ?? 0) + days(ttl.days + 1) > now) return;
  throw new ConfigError(
    "archive.refused",
    `${table} deletes rows after ${ttl.days} days: those of ${day} would be deleted at once`,
    {
      hint: "Raise the table's ttl and run 'headrace migrate --apply', or read the Parquet files in the archive.",
    },
  );
}
