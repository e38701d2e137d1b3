import { spawn } from "node:child_process";
import { closeSync, fchmodSync, openSync, renameSync, statSync } from "node:fs";
import { messageOf } from "../core/errors.ts";

/** A service's process and the guard around it. */
export interface GuardedProcess {
  /** The guard's pid; also the number of the process group that both are in. */
  readonly guardPid: number;
  /** The service's own pid. Rejects when it could not be started. */
  readonly pid: Promise<number>;
  /** Resolves once guard and service are gone; says how, in a few words. Never rejects. */
  readonly exited: Promise<ProcessEnd>;
  /** Asks the service to stop (SIGTERM), and kills it after the grace. Resolves as `exited`. May be called twice. */
  stop(): Promise<ProcessEnd>;
}

export interface ProcessEnd {
  readonly code: number | undefined;
  readonly text: string;
}

export interface GuardOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Time between SIGTERM and SIGKILL. */
  readonly graceSeconds: number;
}

/**
 * The guard is a shell that outlives us when we are killed: the pipe on its standard input closes with our process,
 * however that ends, and then it stops the service in order. It ends with the service and passes its exit code on.
 */
const guardScript = `
umask 077
grace=$1; shift
exec 4<&0 </dev/null
"$@" 3>&- 4<&- &
child=$!
echo "$child" >&3
exec 3>&-
(
  while read -r _; do :; done <&4
  kill -TERM "$child" 2>/dev/null
  left=$((grace * 5))
  while [ "$left" -gt 0 ] && kill -0 "$child" 2>/dev/null; do sleep 0.2; left=$((left - 1)); done
  kill -KILL "$child" 2>/dev/null
) >/dev/null 2>&1 &
watcher=$!
exec 4<&-
wait "$child"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`;

/** Logs are turned over at a start once they are larger than this; one old file is kept. */
const maxLogBytes = 20 * 1024 * 1024;

/** Starts a service under a guard, its output appended to a log file. In a process group of its own, so that Ctrl-C
 * in a terminal reaches us alone and the order of stopping stays ours. */
export function startGuarded(options: GuardOptions): GuardedProcess {
  turnOverLog(options.logFile);
  const log = openSync(options.logFile, "a", 0o600);
  // One of a former version was open to all.
  fchmodSync(log, 0o600);
  const guard = spawn(
    "/bin/sh",
    ["-c", guardScript, "headrace-guard", String(options.graceSeconds), options.command, ...options.args],
    {
      stdio: ["pipe", log, log, "pipe"],
      detached: true,
      ...(options.env && { env: options.env }),
    },
  );
  closeSync(log);
  const guardPid = guard.pid ?? 0;
  // Writing never happens; a guard that dies early must not take us along.
  guard.stdin?.on("error", () => {});
  const pid = new Promise<number>((resolve, reject) => {
    let text = "";
    const report = guard.stdio[3] as NodeJS.ReadableStream;
    report.on("data", (piece: Buffer) => {
      text += piece.toString();
      if (text.includes("\n")) resolve(Number(text));
    });
    report.on("end", () => reject(new Error("the guard ended before it had started the service")));
    guard.once("error", reject);
  });
  pid.catch(() => {});
  const exited = new Promise<ProcessEnd>((resolve) => {
    guard.once("error", (error) => resolve({ code: undefined, text: `could not be started: ${messageOf(error)}` }));
    guard.once("exit", (code, signal) => {
      const end = { code: code ?? undefined, text: endText(code, signal) };
      if (signal === null) return resolve(end);
      // When the guard itself was killed, the service may still run: it must be gone before its port is used again.
      void endGroup(guardPid, options.graceSeconds).then(() => resolve(end));
    });
  });
  return {
    guardPid,
    pid,
    exited,
    stop() {
      guard.stdin?.end();
      return exited;
    },
  };
}

function endText(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal !== null) return `its guard was killed by ${signal}`;
  // A shell reports a death by signal as 128 + its number.
  return code !== null && code > 128 ? `killed by signal ${code - 128}` : `exit code ${code}`;
}

/** Ends what is left of a process group: SIGTERM, then SIGKILL after the grace. */
async function endGroup(group: number, graceSeconds: number): Promise<void> {
  if (group === 0) return;
  for (let left = graceSeconds * 10; left >= 0; left -= 1) {
    if (!signalGroup(group, left === 0 ? "SIGKILL" : left === graceSeconds * 10 ? "SIGTERM" : 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Whether there is still a process in the group. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

function turnOverLog(file: string): void {
  try {
    if (statSync(file).size > maxLogBytes) renameSync(file, `${file}.1`);
  } catch {
    // There is none yet.
  }
}
