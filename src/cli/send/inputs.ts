import { ConfigError, messageOf } from "../../core/errors.ts";
import type { FormatPlan, LineContext, LineReader, LineResult } from "../../plan/plan.ts";
import type { LineSource } from "./lines.ts";

/** How far into a file its first event is looked for. */
const maxLooked = 5_000;

/**
 * The files in the order of their first events: a shell lists `auth.log` before the older `auth.log.1`, and what is older than what was
 * sent comes late for windows. One without an event stands where it was last written.
 */
export async function inOrder(
  sources: readonly LineSource[],
  firstTimeOf: (source: LineSource) => Promise<number | undefined>,
): Promise<readonly LineSource[]> {
  if (sources.length < 2) return sources;
  const timed: { readonly source: LineSource; readonly at: number }[] = [];
  for (const source of sources) timed.push({ source, at: (await firstTimeOf(source)) ?? source.time.getTime() });
  return timed.sort((one, other) => one.at - other.at).map(({ source }) => source);
}

/** The time of the first event of a file, by a reader of its own. */
export async function firstTime(format: FormatPlan, source: LineSource, context: LineContext): Promise<number | undefined> {
  const read = format.reader(context);
  let looked = 0;
  for await (const { text } of source.lines()) {
    const [first] = eventsIn(readLine(read, text));
    if (first !== undefined) return first.time.getTime();
    if (++looked === maxLooked) break;
  }
  return read.end?.().settled?.[0]?.time.getTime();
}

export const eventsIn = (result: LineResult) => [...(result.settled ?? []), ...(result.kind === "events" ? result.events : [])];

/** A format is the application's code: what it throws concerns this line alone. */
export function readLine(read: LineReader, line: string): LineResult {
  try {
    return read(line);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return { kind: "invalid", reason: `the format could not read it: ${messageOf(error)}` };
  }
}
