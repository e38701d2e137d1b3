import { commandLineOf, isAlive, parentOf, startMarkOf } from "../stack/process-check.ts";

/** A shell may stand between a package manager and us. */
const maxSteps = 2;
const lookEveryMs = 500;
const packageManager = /(^|[\s/])(npm|npx|pnpm|pnpx|yarn)(-cli\.[cm]?js|\.[cm]?js)?(\s|$)/;

interface ProcessTable {
  readonly parentOf: (pid: number) => number | undefined;
  readonly commandLineOf: (pid: number) => string;
}

/**
 * Calls `onEnd` once when the npm or npx that we were started by is gone: it passes no SIGTERM on, and would leave us behind. Anything
 * else that started us may end as it likes: a shell behind nohup, systemd, a terminal.
 */
export function whenLauncherEnds(onEnd: () => void, env: NodeJS.ProcessEnv = process.env): void {
  const pid = env["npm_command"] === undefined ? undefined : launcherOf(process.pid, { parentOf, commandLineOf });
  if (pid === undefined) return;
  const mark = startMarkOf(pid);
  const timer = setInterval(() => {
    if (isAlive(pid) && startMarkOf(pid) === mark) return;
    clearInterval(timer);
    onEnd();
  }, lookEveryMs);
  timer.unref();
}

/** The package manager among the next ancestors of a process. */
export function launcherOf(pid: number, { parentOf, commandLineOf }: ProcessTable): number | undefined {
  let at: number | undefined = pid;
  for (let step = 0; step < maxSteps; step += 1) {
    at = parentOf(at);
    if (at === undefined || at <= 1) return undefined;
    if (packageManager.test(commandLineOf(at))) return at;
  }
  return undefined;
}
