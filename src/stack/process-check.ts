import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { systemCode } from "../core/system-code.ts";

/**
 * Whether a process of this number lives. One that belongs to somebody else counts; one that has ended and whose
 * parent has not taken note of it yet (a zombie) does not.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  try {
    if (process.platform === "linux") return statFields(pid)[0] === "Z";
    return execFileSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" })
      .trim()
      .startsWith("Z");
  } catch {
    // It has gone in between, or the system does not tell.
    return false;
  }
}

/** /proc/PID/stat from field 3 on; the name in field 2 may hold spaces and brackets, so the last bracket counts. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** The parent of a process; undefined when it is gone, or the system does not tell. */
export function parentOf(pid: number): number | undefined {
  try {
    if (process.platform === "linux") return Number(statFields(pid)[1]);
    return Number(execFileSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" })) || undefined;
  } catch {
    return undefined;
  }
}

/** The command line of a process, or an empty text. */
export function commandLineOf(pid: number): string {
  try {
    if (process.platform === "linux") return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    return execFileSync("ps", ["-ww", "-o", "args=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    return "";
  }
}

/**
 * A mark that tells a process from a later one with the same number: when it was started. Undefined when the system
 * does not tell.
 */
export function startMarkOf(pid: number): string | undefined {
  try {
    // Field 22: ticks from the machine's start to the process's.
    if (process.platform === "linux") return statFields(pid)[19];
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim() || undefined;
  } catch {
    return undefined;
  }
}
