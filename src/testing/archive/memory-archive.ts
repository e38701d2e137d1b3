import type { ArchiveDeps } from "../../archive/port.ts";
import type { Clock } from "../../core/clock.ts";
import type { Generation } from "../../plan/archive.ts";
import type { TablePlan } from "../../plan/table.ts";
import type { MemorySink } from "../../sinks/memory.ts";
import { createMemoryArchiveStore, fileAt } from "./memory-archive-store.ts";
import { createMemoryTables } from "./memory-tables.ts";

/** What of a day lies in the archive. */
export interface ArchivedSeen extends Generation {
  /** The rows that its files hold. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

export interface MemoryArchive {
  readonly deps: ArchiveDeps;
  /** All that is published, by table, day and generation. */
  readonly archived: () => Promise<readonly ArchivedSeen[]>;
}

/** The archive over tables in memory: its verbs are those of production. Nothing counts rows in memory, so nothing is counted again. */
export function createMemoryArchive(
  archives: readonly TablePlan[],
  { clock, tables }: { readonly clock: Clock; readonly tables: Map<string, MemorySink> },
): MemoryArchive {
  const store = createMemoryArchiveStore();
  const { content } = store;
  const inMemory = createMemoryTables({ archives, clock, tables, content });
  return {
    deps: {
      archives,
      tables: () => inMemory,
      store,
      counters: { settle: async () => {}, touched: async () => {} },
      now: async () => clock.now(),
    },
    archived: async () => {
      const manifests = await Promise.all(archives.map(({ name: table }) => store.manifests({ table })));
      return manifests.flat().map(({ table, day, generation, files }) => ({
        ...{ table, day, generation },
        rows: files.flatMap(({ path }) => fileAt(content, store.locate(path)).rows),
      }));
    },
  };
}
