import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { systemCode } from "../core/system-code.ts";
import type { Manifest } from "../plan/archive.ts";
import { folderOf } from "./export.ts";
import { inOrder, manifestPath, parseManifest, printManifest } from "./manifest.ts";
import type { ArchiveStore } from "./port.ts";

/** A directory that this process and ClickHouse see under the same path. */
export function createDirectoryStore(root: string): ArchiveStore {
  if (/[*?{}[\]]/.test(root))
    throw new ConfigError("config.environment", `HEADRACE_ARCHIVE is '${root}', which ClickHouse reads as a pattern`, {
      hint: "Use a path without * ? { } [ ].",
    });
  const at = (path: string) => join(root, path);
  const manifestsOf = async (table: string, day: string): Promise<readonly Manifest[]> => {
    const paths = (await names(at(`${table}/${day}`))).map((generation) => at(`${table}/${day}/${generation}/manifest.json`));
    const found = await Promise.all(paths.map(async (path) => ({ path, text: await textOf(path) })));
    return found.flatMap(({ path, text }) => (text === undefined ? [] : [parseManifest(text, path)]));
  };
  return {
    name: root,
    locate: (path) => ({ kind: "file", path: at(path) }),
    async settle(paths) {
      for (const path of paths) {
        if (!(await stat(at(path)).catch(() => undefined)))
          throw new ConfigError("config.environment", `ClickHouse has written ${at(path)}, and it is not here`, {
            hint: "HEADRACE_ARCHIVE must be one directory for both; or use s3://bucket/prefix.",
          });
        await sync(at(path));
      }
      for (const folder of new Set(paths.map((path) => dirname(at(path))))) await syncFolders(folder, root);
    },
    async publish(manifest) {
      const path = at(manifestPath(manifest));
      const draft = `${path}.${process.pid}.tmp`;
      await mkdir(dirname(path), { recursive: true });
      const file = await open(draft, "w");
      try {
        await file.writeFile(printManifest(manifest));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, path);
      await syncFolders(dirname(path), root);
    },
    async withdraw(of) {
      await rm(at(manifestPath(of)), { force: true });
      if (await stat(at(folderOf(of))).catch(() => undefined)) await sync(at(folderOf(of)));
    },
    async manifests({ table, day }) {
      const days = day === undefined ? await names(at(table)) : [day];
      return inOrder((await Promise.all(days.map((one) => manifestsOf(table, one)))).flat());
    },
    async files(of) {
      const found = await names(at(folderOf(of)));
      return found.filter((name) => name.endsWith(".parquet")).map((name) => `${folderOf(of)}/${name}`);
    },
    remove: async (paths) => void (await Promise.all(paths.map((path) => rm(at(path), { force: true })))),
  };
}

const isAbsent = (error: unknown): boolean => systemCode(error) === "ENOENT";

async function names(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** From a folder up to the root: each may be new. */
async function syncFolders(folder: string, root: string): Promise<void> {
  for (let at = folder; at.startsWith(root); at = dirname(at)) await sync(at);
}
