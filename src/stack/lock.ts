import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../core/errors.ts";
import { systemCode } from "../core/system-code.ts";
import { isAlive, startMarkOf } from "./process-check.ts";
import { stateFault } from "./state-file.ts";

const lockFile = z.object({ pid: z.int().positive(), startMark: z.string().optional() });

/**
 * Takes a state directory for this process; answers the function that gives it back. A lock whose process is gone is
 * taken over. Throws ConfigError `stack.state` that names the process when another one holds it.
 */
export function lockDirectory(dir: string): () => void {
  const path = join(dir, "up.lock");
  const own = `${path}.${process.pid}`;
  const content = `${JSON.stringify({ pid: process.pid, startMark: startMarkOf(process.pid) })}\n`;
  try {
    writeFileSync(own, content);
    for (;;) {
      if (tryLink(own, path)) return () => release(path, content);
      takeAwayIfStale(path, dir);
    }
  } catch (error) {
    throw error instanceof ConfigError ? error : stateFault(dir, error);
  } finally {
    removeIfThere(own);
  }
}

function removeIfThere(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Where the directory may not be entered it was never made, and that is told already.
  }
}

/** A hard link appears at once and whole, and never over a file that is there. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

function takeAwayIfStale(path: string, dir: string): void {
  const held = readOrNothing(path);
  if (held === undefined) return;
  refuseWhenHeld(held, dir);
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw error;
  }
  // Another process may have taken the stale lock over since we read it: then it is theirs that we hold, and it goes back.
  const taken = readOrNothing(aside);
  if (taken !== held) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function refuseWhenHeld(content: string, dir: string): void {
  let holder: z.infer<typeof lockFile>;
  try {
    holder = lockFile.parse(JSON.parse(content));
  } catch {
    return;
  }
  if (!isAlive(holder.pid)) return;
  if (holder.startMark !== undefined && startMarkOf(holder.pid) !== holder.startMark) return;
  throw new ConfigError("stack.state", `process ${holder.pid} runs a stack on ${dir} already`, {
    hint: `Use that one, stop it (kill ${holder.pid}), or name another directory with --dir.`,
  });
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function release(path: string, content: string): void {
  if (readOrNothing(path) === content) rmSync(path, { force: true });
}
