import type { Generation, Survey } from "../plan/archive.ts";
import type { ArchiveStore, ArchiveTables } from "./port.ts";
import { removeGeneration } from "./remove.ts";

/** Says that a generation is archived, and what has become of the earlier ones by that. Until it is through, the day cannot be restored. */
export async function recordDay(
  of: Generation,
  survey: Survey,
  { tables, store }: { readonly tables: ArchiveTables; readonly store: ArchiveStore },
): Promise<void> {
  const others = (await tables.states(of)).filter(({ generation }) => generation !== of.generation);
  const restored = others.filter(({ state }) => state === "restored").map(({ generation }) => generation);
  const manifests = (await store.manifests(of)).filter(({ generation }) => restored.includes(generation));
  // Their rows were in the table. Where rows are missing by now, deleted by a person or by the table's ttl, the files are all that has them.
  const hasAll = survey.rows >= manifests.reduce((sum, { rows }) => sum + rows, 0);
  for (const earlier of manifests) {
    if (hasAll) await removeGeneration(earlier, store);
    await tables.setState(earlier, hasAll ? "replaced" : "archived");
  }
  await tables.setState(of, "archived", survey);
}
