import { type ArchiveLine, archivesTable } from "../plan/archive.ts";
import type { ArchiveDeps } from "./port.ts";

/** Every day of the tables that can be archived: what of it is in the archive, and what only in the table. */
export async function listArchives({ archives, tables: open, store }: ArchiveDeps): Promise<readonly ArchiveLine[]> {
  const tables = open();
  const hasStates = await tables.hasTable(archivesTable.name);
  const lines: ArchiveLine[] = [];
  for (const { name: table } of archives) {
    const states = new Map(
      (hasStates ? await tables.states({ table }) : []).map(({ day, generation, state }) => [`${day}/${generation}`, state]),
    );
    const manifests = await store.manifests({ table });
    const there = new Map<string, { last: number; isRestored: boolean }>();
    for (const { day, generation, rows, bytes, rawBytes, hash } of manifests) {
      const state = states.get(`${day}/${generation}`) ?? "archived";
      // One that is still under way: its rows are in the table.
      if (state !== "archived" && state !== "restored") continue;
      lines.push({ table, day, generation, rows, bytes, rawBytes, hash, state });
      there.set(day, { last: generation, isRestored: state === "restored" });
    }
    for (const [day, stored] of await tables.storedRows(table)) {
      const known = there.get(day);
      if (known?.isRestored) continue;
      lines.push({ table, day, generation: (known?.last ?? 0) + 1, ...stored, hash: "", state: "hot" });
    }
  }
  return lines.sort((a, b) => compare(a.table, b.table) || compare(a.day, b.day) || a.generation - b.generation);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
