import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";

const untouchedForMs = 30 * 60_000;
const lookAgainMs = 100;

/**
 * Runs `work` while this process alone holds the lock file `path`; others wait their turn.
 * A lock whose owner is dead is taken over, so a kill -9 in mid-build blocks nobody.
 */
export async function withLock(path, work) {
  while (!tryTake(path)) await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
  try {
    return await work();
  } finally {
    if (ownerOf(path) === process.pid) rmSync(path, { force: true });
  }
}

function tryTake(path) {
  try {
    writeFileSync(path, `${process.pid}\n`, { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  const owner = ownerOf(path);
  if (owner !== undefined && !isAbandoned(path, owner)) return false;
  removeOf(path, owner);
  return false;
}

/**
 * Two waiters may see the same dead owner. The slower one could then move away the lock that the faster one
 * has just taken; it notices by the owner written in it, and puts it back.
 */
function removeOf(path, owner) {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    if (ownerOf(aside) !== owner) linkSync(aside, path);
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error;
  }
  rmSync(aside, { force: true });
}

function ownerOf(path) {
  try {
    const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
    return Number.isNaN(pid) ? 0 : pid;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function isAbandoned(path, owner) {
  let ageMs;
  try {
    ageMs = Date.now() - statSync(path).mtimeMs;
  } catch {
    return false;
  }
  // A file without a pid yet is a lock being written at this very moment.
  if (owner === 0) return ageMs > 1_000;
  if (ageMs > untouchedForMs) return true;
  try {
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}
