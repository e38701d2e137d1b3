import { type ChildProcess, spawn } from "node:child_process";

/**
 * Has a line of shell run once this process has ended, however it ends (kill -9 runs no handler): the pipe to a shell that waits closes
 * then. `args` are its $1, $2 … Returns what calls it off.
 */
export function afterUs(line: string, ...args: readonly string[]): () => void {
  const script = `while read -r _; do :; done\n${line}`;
  const shell = spawn("/bin/sh", ["-c", script, "after-us", ...args], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  shell.stdin.on("error", () => {}); // it may be gone already
  shell.unref();
  return () => void shell.kill("SIGKILL");
}

/** A process that does not outlive this one. */
export function endWithUs<Child extends ChildProcess>(child: Child): Child {
  if (child.pid !== undefined) child.once("exit", afterUs('kill -KILL "$1"', String(child.pid)));
  return child;
}
