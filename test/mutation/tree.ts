import { rmSync } from "node:fs";
import { cp, mkdtemp, readdir, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A copy of the tree, in which mutants are planted: never in the tree itself. */
export interface Tree {
  readonly path: string;
  remove(): void;
}

/** What a copy does without; packages are the same ones, behind a link. */
const leftOut = /^(node_modules|\.git|\.headrace.*|coverage|dist\.(new|old)-.*|\..*\.lock.*)$/;

export async function copyTree(root: string): Promise<Tree> {
  const path = await mkdtemp(join(tmpdir(), "headrace-mutation-"));
  const remove = () => {
    process.removeListener("exit", remove);
    rmSync(path, { recursive: true, force: true });
  };
  // One who interrupts leaves no copy behind.
  process.once("exit", remove);
  for (const name of await readdir(root))
    if (!leftOut.test(name)) await cp(join(root, name), join(path, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(path, "node_modules"));
  return { path, remove };
}
