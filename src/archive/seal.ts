import type { ArchiveState, Generation, Sealed, TableDay } from "../plan/archive.ts";
import { asideName } from "./aside.ts";
import type { ArchiveDeps, ArchiveTables } from "./port.ts";
import { generationsAside, reopen } from "./put-back.ts";
import { removeGeneration } from "./remove.ts";

/**
 * Claims a day for a saga. What an earlier one has left lying, since somebody ended it by force, is finished or put back first: the saga's
 * id lets only one of them run.
 */
export async function sealDay(day: TableDay, tables: ArchiveTables, { store }: ArchiveDeps): Promise<Sealed> {
  await tables.prepare();
  for (const { generation } of await store.manifests(day)) {
    const of = { ...day, generation };
    if (await isArchived(of, tables)) continue;
    await removeGeneration(of, store);
    await tables.setState(of, "hot");
  }
  for (const generation of await generationsAside(day, tables)) await reopen({ ...day, generation }, tables);

  const last = Math.max(0, ...(await store.manifests(day)).map(({ generation }) => generation));
  if ((await tables.storedRows(day.table, day.day)).size === 0)
    return last > 0 ? { kind: "already archived", generation: last } : { kind: "empty" };
  const sealed = { ...day, generation: last + 1 };
  await tables.createLike(asideName("sealed", sealed), day.table);
  await tables.setState(sealed, "sealed");
  return { kind: "sealed", generation: sealed.generation };
}

/** Whether a generation that has a manifest is really archived; finishes what was decided. */
async function isArchived(of: Generation, tables: ArchiveTables): Promise<boolean> {
  const settled = (state: ArchiveState | undefined) => state === undefined || state === "archived" || state === "restored";
  if (settled(await stateOf(of, tables))) return true;
  // Asked again only when nobody can begin to drop it any more.
  if (await reopen(of, tables)) return false;
  if ((await stateOf(of, tables)) !== "dropping") return false;
  await tables.drop(asideName("gone", of));
  await tables.setState(of, "archived");
  return true;
}

export const stateOf = async (of: Generation, tables: ArchiveTables): Promise<ArchiveState | undefined> =>
  (await tables.states(of)).find(({ generation }) => generation === of.generation)?.state;

/** Gives a claim up. The rows are in the table. */
export async function unsealDay(day: TableDay, tables: ArchiveTables): Promise<void> {
  await tables.prepare();
  for (const generation of await generationsAside(day, tables)) await reopen({ ...day, generation }, tables);
  for (const { state, ...of } of await tables.states(day))
    if (state === "sealed" || state === "dropping") await tables.setState(of, "hot");
}
