import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** This checkout of Headrace. */
export const repository = fileURLToPath(new URL("..", import.meta.url));

/** The command line of a checkout. */
export const headraceIn = (checkout: string): string => join(checkout, "bin/headrace.js");

/** A process that says on its standard output, in JSON lines, that it is ready and how far it is; or several that are measured as one. */
export interface Child {
  readonly pids: readonly number[];
  /** The line that says so. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** When that line came, on the clock of `performance.now()`. */
  readonly readyAt: number;
  /** Its last line so far. */
  latest(): Readonly<Record<string, unknown>>;
  /** Throws, with the end of what it said on standard error, when it is gone. */
  check(): void;
  /** SIGTERM, then waits for its end. May be called twice. */
  stop(): Promise<void>;
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where its CPU profile goes when it ends; of JavaScript files alone. */
  readonly profileDir?: string | undefined;
  /** The one core that it may run on (taskset). @default any */
  readonly core?: number;
  /** Which line says that it is ready. @default the first */
  readonly isReady?: (line: Readonly<Record<string, unknown>>) => boolean;
}

/** Starts a JavaScript file of the repository, and resolves with its ready line. */
export function startChild(file: string, args: readonly string[], options: ChildOptions = {}): Promise<Child> {
  const { profileDir, core } = options;
  const profiling = profileDir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`];
  const command = [process.execPath, ...profiling, file, ...args] as const;
  // taskset becomes the program: what is measured under its pid is the program alone.
  const [program, ...rest] = core === undefined ? command : (["taskset", "-c", String(core), ...command] as const);
  return startProgram(program, rest, options);
}

/** Starts any program that writes JSON lines, and resolves with its ready line. */
export async function startProgram(
  command: string,
  args: readonly string[],
  { env = process.env, isReady = () => true }: ChildOptions = {},
): Promise<Child> {
  const child = spawn(command, args, { cwd: repository, env, stdio: ["ignore", "pipe", "pipe"] });
  const exit = once(child, "exit");
  let said = "";
  child.stderr.on("data", (data) => {
    said = `${said}${data}`.slice(-4_000);
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const check = () => {
    if (hasEnded())
      throw new Error(`${[command, ...args].join(" ")} ended (${child.exitCode ?? child.signalCode}): ${said.trim()}`);
  };
  let latest: Record<string, unknown> = {};
  const first = new Promise<{ ready: Record<string, unknown>; readyAt: number }>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const readyAt = performance.now();
      latest = JSON.parse(line);
      if (isReady(latest)) resolve({ ready: latest, readyAt });
    });
    exit.then(check).catch(reject);
  });
  return {
    ...(await first),
    pids: [child.pid as number],
    latest: () => latest,
    check,
    stop: async () => {
      if (!hasEnded()) child.kill("SIGTERM");
      await exit;
    },
  };
}

/** Several processes as one: ready when the last of them is. */
export function together(children: readonly Child[]): Child {
  const [first] = children as readonly [Child];
  return {
    ...first,
    pids: children.flatMap(({ pids }) => pids),
    readyAt: Math.max(...children.map(({ readyAt }) => readyAt)),
    check: () => {
      for (const child of children) child.check();
    },
    stop: async () => {
      await Promise.all(children.map((child) => child.stop()));
    },
  };
}

/** Runs a verb of `headrace` to its end. */
export async function headrace(args: readonly string[], { env = process.env }: ChildOptions = {}): Promise<void> {
  const child = spawn(process.execPath, [headraceIn(repository), ...args], {
    cwd: repository,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (data) => {
    said += data;
  });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`headrace ${args.join(" ")} ended with ${code}: ${said.trim()}`);
}

/** Ticks of the kernel's accounting a second: 100 on every Linux that Node runs on. */
const ticks = 100;

/** Seconds of processor time that processes have used so far, their own and the kernel's for them. Undefined outside of Linux. */
export const cpuSeconds = (pids: readonly number[]): number | undefined => sum(pids.map(cpuSecondsOf));

function cpuSecondsOf(pid: number): number | undefined {
  try {
    // The name of the program stands in brackets and may hold anything: fields are counted from behind it.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / ticks;
  } catch {
    return undefined;
  }
}

type MemoryField = "VmRSS" | "VmHWM";

/** A field of `/proc/<pid>/status` in bytes: `VmRSS`, what is resident now; `VmHWM`, the most that ever was. Undefined outside of Linux. */
export const residentBytes = (pids: readonly number[], field: MemoryField): number | undefined =>
  sum(pids.map((pid) => residentBytesOf(pid, field)));

function residentBytesOf(pid: number, field: MemoryField): number | undefined {
  try {
    const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
  } catch {
    return undefined;
  }
}

const sum = (values: readonly (number | undefined)[]): number | undefined =>
  values.reduce((total, value) => (total === undefined || value === undefined ? undefined : total + value), 0);
