import { createReadStream, fstatSync, type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { ConfigError, messageOf } from "../../core/errors.ts";

export interface LineSource {
  readonly lines: AsyncIterable<string>;
  /** The time of events that carry none: when the file was last written, so that sending it again says the same; for a pipe, now. */
  readonly time: Date;
}

export interface LineOptions {
  readonly cwd: string;
  /** Ends the lines. */
  readonly signal: AbortSignal;
}

/** The lines of a file, or of standard input for `-`. */
export function openLines(file: string, { cwd, signal }: LineOptions): LineSource {
  if (file === "-") return { lines: linesOf("standard input", () => process.stdin, signal), time: timeOfInput() };
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
  return { lines: linesOf(path, () => createReadStream(path), signal), time: stats.mtime };
}

/** A file behind `<` tells its time as one that is named does. */
function timeOfInput(): Date {
  const stats = fstatSync(0);
  return stats.isFile() ? stats.mtime : new Date();
}

/** Opens its input only when the first line is asked for: readline throws away what it reads before it is listened to. */
async function* linesOf(name: string, open: () => NodeJS.ReadableStream, signal: AbortSignal): AsyncIterable<string> {
  const lines = createInterface({ input: open(), crlfDelay: Number.POSITIVE_INFINITY, signal })[Symbol.asyncIterator]();
  for (;;) {
    const next = await lines.next().catch((error) => {
      throw new ConfigError("config.environment", `${name} cannot be read on: ${messageOf(error)}`, {
        cause: error,
        hint: "Send it again when it can be read: what was sent before changes nothing.",
      });
    });
    if (next.done) return;
    yield next.value;
  }
}
