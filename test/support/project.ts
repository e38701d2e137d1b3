import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Another person's project beside the repository, with this package and zod among its packages. */
export interface Project {
  readonly path: string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  remove(): Promise<void>;
}

/** Makes a project of the given files, by path. */
export async function makeProject(files: Readonly<Record<string, string>>): Promise<Project> {
  const path = await mkdtemp(join(tmpdir(), "headrace-project-"));
  await mkdir(join(path, "node_modules"));
  await symlink(root, join(path, "node_modules/headrace"));
  await symlink(join(root, "node_modules/zod"), join(path, "node_modules/zod"));
  const write: Project["write"] = async (more) => {
    for (const [name, text] of Object.entries(more)) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), text);
    }
  };
  await write({ "package.json": '{ "type": "module" }', ...files });
  return { path, write, remove: () => rm(path, { recursive: true, force: true }) };
}
