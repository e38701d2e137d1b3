import { type ChildProcess, type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { endWithUs } from "./after-us.ts";
import { type Ran, runInHost } from "./verb-host.ts";

const bin = fileURLToPath(new URL("../../bin/headrace.js", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));

// Never called: from it `npm test -- --changed` knows that a test which runs verbs depends on all that they load.
void (() => [
  import("../../src/cli/main.ts"),
  import("../../pipelines/index.ts"),
  import("../../workflows/index.ts"),
  import("../../activities/index.ts"),
]);

/** Verbs that start processes of their own. */
const parents: readonly string[] = ["up", "bench"];

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Text for standard input. */
  readonly input?: string;
  /** The folder of the application. @default the repository */
  readonly cwd?: string;
  /** The program. @default the repository's */
  readonly program?: string;
}

/** What a verb has come to. */
export type { Ran } from "./verb-host.ts";

/**
 * Runs a verb of `headrace`, in the repository, and resolves with what it said. Rejects when it exits with another code than 0. Verbs that
 * stay have to be refused here: `startHeadrace` starts them.
 */
export async function headrace(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const ran = await tryHeadrace(args, options);
  if (ran.code !== 0) throw new Error(`headrace ${args.join(" ")} exited with ${ran.code}: ${ran.stderr}`);
  return ran;
}

/** The same, whatever its exit code. */
export function tryHeadrace(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  if (options.program !== undefined || args.some((word) => parents.includes(word))) return runApart(args, options);
  const { env, input = "", cwd = root } = options;
  return runInHost({ args, input, cwd, env: { ...process.env, ...env } });
}

/** Runs a verb as a person does, in a process of its own. It takes some hundred times as much as it takes one that runs many. */
export async function runApart(
  args: readonly string[],
  { env, input, cwd = root, program = bin }: RunOptions = {},
): Promise<Ran> {
  const running = promisify(execFile)(process.execPath, [program, ...args], {
    cwd,
    env: { ...process.env, ...env },
    maxBuffer: 256 * 1024 * 1024,
  });
  running.child.stdin?.end(input ?? "");
  return running.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error) => {
      if (typeof error.code !== "number") throw error;
      return { code: error.code, stdout: error.stdout, stderr: error.stderr };
    },
  );
}

/** Starts a verb with all its streams in the caller's hands. */
export const startHeadraceRaw = (args: readonly string[], { env }: RunOptions = {}): ChildProcessWithoutNullStreams =>
  endWithUs(
    spawn(process.execPath, [bin, ...args], { cwd: root, env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] }),
  );

export interface Headrace {
  /** The ready line. */
  readonly ready: Readonly<Record<string, unknown>>;
  readonly process: ChildProcess;
  /** SIGTERM, then waits for the end. May be called twice. */
  stop(): Promise<void>;
  /** kill -9, then waits for the end. */
  kill(): Promise<void>;
  /** What it said on standard error so far. */
  said(): string;
}

/** Starts a verb that stays, such as `up` or `start`, and resolves with its ready line. It needs `--json` among its arguments. */
export async function startHeadrace(
  args: readonly string[],
  { env, cwd = root, program = bin }: RunOptions = {},
): Promise<Headrace> {
  const child = endWithUs(
    spawn(process.execPath, [program, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
  const exit = once(child, "exit");
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const first = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    exit.then(
      ([code]) => reject(new Error(`headrace ${args.join(" ")} ended with ${code} before it was ready: ${stderr}`)),
      reject,
    );
  });
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exit;
  };
  return {
    ready: JSON.parse(await first),
    process: child,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    said: () => stderr,
  };
}
