import { createReadStream, fstatSync, type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { addAbortSignal, type Readable } from "node:stream";
import { ConfigError, messageOf } from "../../core/errors.ts";
import { plainBytes } from "./content.ts";
import { type Line, splitLines } from "./split-lines.ts";

export interface LineSource {
  /** As it was named. */
  readonly name: string;
  /** Its lines, from the first on. Standard input can be read once. */
  readonly lines: () => AsyncIterable<Line>;
  /** Whether it can be read again. */
  readonly isFile: boolean;
  /** The time of events that carry none: when the file was last written, so that sending it again says the same; for a pipe, now. */
  readonly time: Date;
}

export interface LineOptions {
  readonly cwd: string;
  /** Ends the lines. */
  readonly signal: AbortSignal;
}

/** The lines of a file, or of standard input for `-`. A packed file is unpacked. */
export function openLines(file: string, { cwd, signal }: LineOptions): LineSource {
  if (file === "-") {
    const name = "standard input";
    return { name, lines: () => linesOf(name, () => process.stdin, signal), isFile: false, time: timeOfInput() };
  }
  const path = resolve(cwd, file);
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    throw new ConfigError("usage", `${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
      hint: "Give the path of a text file, or - for standard input.",
    });
  }
  if (stats.isDirectory()) throw new ConfigError("usage", `${path} is a directory`, { hint: "Give the path of a text file." });
  return {
    name: file,
    lines: () => linesOf(path, () => createReadStream(path), signal),
    isFile: stats.isFile(),
    time: stats.mtime,
  };
}

/** A file behind `<` tells its time as one that is named does. */
function timeOfInput(): Date {
  const stats = fstatSync(0);
  return stats.isFile() ? stats.mtime : new Date();
}

async function* linesOf(name: string, open: () => Readable, signal: AbortSignal): AsyncIterable<Line> {
  try {
    yield* splitLines(plainBytes(name, addAbortSignal(signal, open())));
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof ConfigError) throw error;
    throw new ConfigError("config.environment", `${name} cannot be read any further: ${messageOf(error)}`, {
      cause: error,
      hint: "Send it again when it can be read: what was sent before changes nothing.",
    });
  }
}
