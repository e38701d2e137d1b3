import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { ConfigError, messageOf } from "../core/errors.ts";
import { systemCode } from "../core/system-code.ts";
import { isAlive, startMarkOf } from "./process-check.ts";

/** A running stack: its addresses, with what lets in, its state directory, and the process that holds it. */
export interface StackInfo {
  readonly redis: string;
  readonly clickhouse: string;
  /** `host:port`, as Temporal's clients take it. */
  readonly temporal: string;
  readonly temporalUi: string;
  readonly dir: string;
  readonly pid: number;
}

const stackFile = z.object({
  redis: z.string(),
  clickhouse: z.string(),
  temporal: z.string(),
  temporalUi: z.string(),
  dir: z.string(),
  pid: z.int().positive(),
  startMark: z.string().optional(),
});

const stackPath = (dir: string) => join(dir, "stack.json");

/** The stack that runs on a state directory, or undefined: none, one that died, or a file that cannot be read. */
export function readStack(dir: string): StackInfo | undefined {
  const found = readState(stackPath(dir), stackFile);
  if (found === undefined || !isAlive(found.pid)) return undefined;
  const { startMark, ...stack } = found;
  if (startMark !== undefined && startMarkOf(found.pid) !== startMark) return undefined;
  return stack;
}

/** Says that a stack is ready. */
export function writeStack(stack: StackInfo): void {
  writeState(stackPath(stack.dir), { ...stack, startMark: startMarkOf(stack.pid) });
}

/** Says that it is no more. */
export function removeStack(dir: string): void {
  rmSync(stackPath(dir), { force: true });
}

/** A state file's content, or undefined when it is not there or half-written: it is made anew then. */
export function readState<T>(path: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** Writes a state file in one step. Throws ConfigError `stack.state` when the directory does not take it. */
export const writeState = (path: string, content: unknown): void => writePrivate(path, `${JSON.stringify(content)}\n`);

/** The same for a file of any text. Nobody but its owner reads it. */
export function writePrivate(path: string, text: string): void {
  const beside = `${path}.${process.pid}`;
  try {
    // One that was left behind would keep the rights that it has.
    rmSync(beside, { force: true });
    writeFileSync(beside, text, { mode: 0o600, flag: "wx" });
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw stateFault(path, error);
  }
}

/** Makes the state directory and its parts, which nobody else may look into. Throws ConfigError `stack.state`. */
export function makeDirectories(dir: string, parts: readonly string[]): void {
  let at = dir;
  try {
    makeDirectory(dir, 0o700);
    closeToOthers(dir);
    for (const part of parts) {
      at = join(dir, part);
      makeDirectory(at, 0o700);
      chmodSync(at, 0o700);
    }
  } catch (error) {
    throw stateFault(at, error);
  }
}

/** Node's own recursive mkdir tries for ever where the system answers ENOENT to the last part, as /proc does. */
function makeDirectory(dir: string, mode = 0o777): void {
  try {
    mkdirSync(dir, { mode });
  } catch (error) {
    const code = systemCode(error);
    if (code === "EEXIST" && statSync(dir).isDirectory()) return;
    if (code !== "ENOENT" || existsSync(dirname(dir))) throw error;
    makeDirectory(dirname(dir));
    mkdirSync(dir, { mode });
  }
}

/** What lies in a state directory. */
const ownNames =
  /^(redis|clickhouse|temporal|logs|archive|password|participants-token|redis\.conf|up\.lock|(ports|processes|stack)\.json|workflow-bundle\.js)(\.|$)/;

/** Takes the rights of others off a directory of a former version; not off one that holds other things too, such as /tmp. */
function closeToOthers(dir: string): void {
  try {
    if (readdirSync(dir).every((name) => ownNames.test(name))) chmodSync(dir, 0o700);
  } catch {
    // Somebody else's: its parts and files are ours, and closed.
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "it may not be written",
  EPERM: "it may not be written",
  EROFS: "its file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOENT: "its path cannot be made",
  ENOTDIR: "a part of its path is a file",
  EEXIST: "a file is in its place",
  EISDIR: "a directory is in its place",
  ENAMETOOLONG: "its name is too long",
};

/** The sentence for a state directory that does not do. */
export function stateFault(path: string, error: unknown): ConfigError {
  const code = systemCode(error) ?? "";
  return new ConfigError(
    "stack.state",
    `the state of the stack cannot be kept in ${path}: ${reasons[code] ?? messageOf(error)}`,
    {
      cause: error,
      hint: "Make room or correct its rights, or name another directory with --dir.",
    },
  );
}
