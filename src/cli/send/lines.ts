import { createReadStream, type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { ConfigError, messageOf } from "../../core/errors.ts";

export interface LineSource {
  readonly lines: AsyncIterable<string>;
  /** The time of events that carry none: when the file was last written, so that sending it again says the same; for a pipe, now. */
  readonly time: Date;
}

/** The lines of a file, or of standard input for `-`. */
export function openLines(file: string, cwd: string): LineSource {
  if (file === "-") return { lines: linesOf(() => process.stdin), time: new Date() };
  const path = resolve(cwd, file);
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    throw new ConfigError("usage", `${path} cannot be read: ${messageOf(error)}`, { cause: error, hint: "Give the path of a text file, or - for standard input." });
  }
  if (stats.isDirectory()) throw new ConfigError("usage", `${path} is a directory`, { hint: "Give the path of a text file." });
  return { lines: linesOf(() => createReadStream(path)), time: stats.mtime };
}

/** Opens its input only when the first line is asked for: readline throws away what it reads before it is listened to. */
async function* linesOf(open: () => NodeJS.ReadableStream): AsyncIterable<string> {
  yield* createInterface({ input: open(), crlfDelay: Number.POSITIVE_INFINITY });
}
