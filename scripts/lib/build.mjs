import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { withLock } from "./lock.mjs";

/** The repository these scripts belong to. */
export const repository = fileURLToPath(new URL("../..", import.meta.url));

const stampName = ".stamp";
const configs = ["tsconfig.json", "tsconfig.build.json"];

/**
 * Compiles src/ to dist/ and copies what is not TypeScript (Lua scripts, pages).
 * The new dist/ is made aside and moved into place, so a process that starts meanwhile sees the old one or the new one, never a half.
 * `typecheck: false` emits without checking types: for commands that only want to run.
 */
export async function build({ root = repository, typecheck = true, say = sayOnStderr } = {}) {
  await withLock(join(root, ".build.lock"), () => buildInto(root, typecheck, say));
}

/** Builds when dist/ is missing or was made from other sources than those in src/ now. True when it built. */
export async function ensureBuilt({ root = repository, say = sayOnStderr } = {}) {
  if (isFresh(root)) return false;
  return withLock(join(root, ".build.lock"), async () => {
    // Whoever held the lock before may have built just this.
    if (isFresh(root)) return false;
    say("building dist/ from src/");
    buildInto(root, false, say);
    return true;
  });
}

function buildInto(root, typecheck, say) {
  const hash = sourceHash(root);
  const fresh = join(root, `dist.new-${process.pid}`);
  const old = join(root, `dist.old-${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  try {
    const tsc = join(root, "node_modules/@typescript/native/bin/tsc");
    const args = [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", fresh, ...(typecheck ? [] : ["--noCheck"])];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
    if (status !== 0) throw new Error(`src/ does not compile:\n${stdout}${stderr}`.trimEnd());
    copyAssets(join(root, "src"), fresh);
    writeFileSync(join(fresh, stampName), hash);
    const dist = join(root, "dist");
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
    if (sourceHash(root) !== hash) say("src/ changed during the build: the next command builds again");
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

function copyAssets(from, to) {
  for (const file of filesUnder(from)) {
    if (file.endsWith(".ts")) continue;
    const target = join(to, relative(from, file));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(file, target);
  }
}

function isFresh(root) {
  const stamp = join(root, "dist", stampName);
  return existsSync(stamp) && readFileSync(stamp, "utf8") === sourceHash(root);
}

/** By content, not by time: a checkout, a copy and a deleted file all fool modification times. */
function sourceHash(root) {
  const hash = createHash("sha256");
  for (const file of [...configs.map((name) => join(root, name)), ...filesUnder(join(root, "src"))]) {
    hash.update(relative(root, file)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

function filesUnder(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function sayOnStderr(line) {
  process.stderr.write(`headrace: ${line}\n`);
}
