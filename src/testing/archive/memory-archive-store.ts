import { folderOf } from "../../archive/export.ts";
import type { ArchiveStore } from "../../archive/port.ts";
import type { Generation, Location, Manifest } from "../../plan/archive.ts";

export type TableRow = Readonly<Record<string, unknown>>;

/** What a Parquet file would hold. */
export interface MemoryFile {
  readonly columns: readonly string[];
  readonly rows: readonly TableRow[];
}

export interface MemoryArchiveStore extends ArchiveStore {
  /** By their paths. */
  readonly content: Map<string, MemoryFile>;
}

/** The twin of a directory of files and manifests. */
export function createMemoryArchiveStore(): MemoryArchiveStore {
  const content = new Map<string, MemoryFile>();
  const manifests = new Map<string, Manifest>();
  const filesOf = (of: Generation) => [...content.keys()].filter((path) => path.startsWith(`${folderOf(of)}/`));
  return {
    content,
    name: "memory",
    locate: (path) => ({ kind: "file", path }),
    settle: async () => {},
    publish: async (manifest) => void manifests.set(folderOf(manifest), manifest),
    withdraw: async (of) => void manifests.delete(folderOf(of)),
    manifests: async ({ table, day }) =>
      [...manifests.values()]
        .filter((one) => one.table === table && (day === undefined || one.day === day))
        .toSorted((a, b) => a.day.localeCompare(b.day) || a.generation - b.generation),
    files: async (of) => filesOf(of),
    remove: async (paths) => {
      for (const path of paths) content.delete(path);
    },
  };
}

/** The file that lies there. */
export function fileAt(content: ReadonlyMap<string, MemoryFile>, location: Location): MemoryFile {
  const file = location.kind === "file" ? content.get(location.path) : undefined;
  if (file) return file;
  throw new ReferenceError(`there is no file ${location.kind === "file" ? location.path : location.url}`);
}
