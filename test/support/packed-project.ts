import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { headrace } from "./headrace.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));

/** A project that has installed what `npm pack` makes, and nothing of the repository beside it. */
export interface PackedProject {
  readonly path: string;
  /** The `headrace` that it has installed. */
  readonly bin: string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  remove(): Promise<void>;
}

/** Packs the package and installs it in an empty folder. `packages` are those that the project itself depends on: they are the repository's. */
export async function packedProject(packages: readonly string[]): Promise<PackedProject> {
  // The first command builds dist/.
  await headrace(["--help"]);
  const path = await mkdtemp(join(tmpdir(), "headrace-packed-"));
  await promisify(execFile)("npm", ["pack", "--ignore-scripts", "--pack-destination", path], { cwd: repository });
  const tarball = (await readdir(path)).find((name) => name.endsWith(".tgz")) as string;
  const installed = join(path, "node_modules/headrace");
  await mkdir(installed, { recursive: true });
  await promisify(execFile)("tar", ["-xzf", join(path, tarball), "--strip-components=1", "-C", installed]);
  await rm(join(path, tarball));
  await symlink(join(repository, "node_modules"), join(installed, "node_modules"));
  for (const name of packages) await symlink(join(repository, "node_modules", name), join(path, "node_modules", name));
  const write: PackedProject["write"] = async (files) => {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), text);
    }
  };
  return { path, bin: join(installed, "bin/headrace.js"), write, remove: () => rm(path, { recursive: true, force: true }) };
}
