import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../core/errors.ts";
import { onStop } from "./interrupt.ts";
import { loadModule } from "./load-app.ts";
import { exitCodes, printJson, printTable, say } from "./output.ts";

export interface BenchVerbOptions {
  /** Names of measurements, joined by commas. */
  readonly only?: string | undefined;
  readonly runs: string;
  readonly events?: string | undefined;
  /** A directory. */
  readonly before?: string | undefined;
  readonly profile?: string | undefined;
  readonly json: boolean;
}

/** What bench/main.ts exports. */
interface BenchModule {
  readonly measurements: readonly string[];
  readonly runBench: (options: object, deps: object) => Promise<void>;
}

interface Printed {
  readonly line: object;
  readonly row: Readonly<Record<string, unknown>>;
}

/** `headrace bench`: ours beside the raw limits and the rivals, on this machine. The measurements are no part of the package. */
export async function benchVerb({ json, ...options }: BenchVerbOptions): Promise<number> {
  const path = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));
  if (!existsSync(path)) {
    throw new ConfigError("usage", "the measurements lie in the repository of Headrace: clone it, and run 'npm run bench' there");
  }
  const { measurements, runBench } = (await loadModule(path)) as unknown as BenchModule;
  const only = options.only?.split(",").map((name) => name.trim());
  const unknown = only?.find((name) => !measurements.includes(name));
  if (unknown !== undefined) {
    throw new ConfigError("usage", `there is no measurement '${unknown}'`, { hint: `There are ${measurements.join(", ")}.` });
  }
  const runs = wholeNumber("--runs", options.runs, 1);
  const events = options.events === undefined ? undefined : wholeNumber("--events", options.events, 1_000);
  const before = options.before === undefined ? undefined : checkout(options.before);
  const profileDir = options.profile === undefined ? undefined : resolve(options.profile);

  const { signal } = onStop();
  const print = (lines: readonly Printed[]) => {
    if (json) for (const { line } of lines) printJson(line);
    else printTable(lines.map(({ row }) => row));
  };
  try {
    await runBench({ only, runs, events, before, profileDir, signal }, { say, print });
    return exitCodes.fine;
  } catch (error) {
    // Whatever failed, failed since all was being stopped.
    if (signal.aborted) return exitCodes.interrupted;
    throw error;
  }
}

/** A directory that holds a Headrace that can run. */
function checkout(directory: string): string {
  const path = resolve(directory);
  const lacks = ["bin/headrace.js", "bench/apps/logins", "dist/index.js", "node_modules"].find(
    (part) => !existsSync(join(path, part)),
  );
  if (lacks === undefined) return path;
  throw new ConfigError("usage", `--before: there is no ${lacks} in ${path}`, {
    hint: "Give a checkout of Headrace: git worktree add ../before <commit>; there run npm ci and npm run build.",
  });
}

function wholeNumber(flag: string, text: string, least: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least) return number;
  throw new ConfigError("usage", `${flag} cannot be '${text}'`, { hint: `Give a whole number of ${least} or more.` });
}
