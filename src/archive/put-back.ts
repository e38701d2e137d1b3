import type { Generation, TableDay } from "../plan/archive.ts";
import { asideName, asidePrefix, generationOf } from "./aside.ts";
import type { ArchiveTables } from "./port.ts";

/**
 * Moves what lies aside of a generation back into its table, and resolves with whether anything did. First the sealed table gets another
 * name: whoever is still about to drop it does not find it any more.
 */
export async function reopen(of: Generation, tables: ArchiveTables): Promise<boolean> {
  const closed = asideName("closed", of);
  const found = [await tables.rename(asideName("sealed", of), closed), await tables.hasTable(closed)];
  if (!found.includes(true)) return false;
  await tables.move(closed, of.table, of);
  // A statement that was under way may have moved rows there in between.
  while ((await tables.storedRows(closed)).size > 0) await tables.move(closed, of.table, of);
  await tables.drop(closed);
  return true;
}

/** The generations of a day of which something lies aside. */
export async function generationsAside(day: TableDay, tables: ArchiveTables): Promise<readonly number[]> {
  const names = await Promise.all((["sealed", "closed"] as const).map((kind) => tables.tablesLike(asidePrefix(kind, day))));
  return [...new Set(names.flat().map(generationOf))].sort((a, b) => a - b);
}
