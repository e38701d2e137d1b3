import { days } from "../core/duration.ts";
import { startOfDay } from "../plan/archive.ts";
import type { ArchiveDeps } from "./port.ts";
import { removeGeneration } from "./remove.ts";

/** How many were looked at, and how many of them were too old. */
export interface Expired {
  /** Looked at. */
  readonly looked: number;
  /** Removed for good. */
  readonly removed: number;
}

/**
 * Removes generations of days that are older than `keepDays`, for good. What is being archived is left alone, and so is what is in the
 * table too, since somebody has asked for it.
 */
export async function expireArchives(
  { archives, store, tables: open, now }: ArchiveDeps,
  { keepDays, beat }: { readonly keepDays: number | undefined; readonly beat: () => void },
): Promise<Expired> {
  const tables = open();
  const today = await now();
  await tables.prepare();
  let [looked, removed] = [0, 0];
  for (const { name: table } of archives) {
    const states = await tables.states({ table });
    for (const of of await store.manifests({ table })) {
      beat();
      looked++;
      const state = states.find(({ day, generation }) => day === of.day && generation === of.generation)?.state;
      const age = today - (startOfDay(of.day) ?? today);
      if (keepDays === undefined || age <= days(keepDays) || state !== "archived") continue;
      await removeGeneration(of, store);
      removed++;
    }
  }
  return { looked, removed };
}
