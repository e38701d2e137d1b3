import { ConfigError } from "../../core/errors.ts";
import type { FormatPlan, LineContext, LineEvent, LineReader } from "../../plan/plan.ts";
import { eventsIn, readLine } from "./inputs.ts";
import type { LineSource } from "./lines.ts";
import type { LinePlace, SendReport } from "./report.ts";
import { type Line, maxLineBytes } from "./split-lines.ts";

export interface ReadAllOptions {
  readonly format: FormatPlan;
  /** In the order in which they are read. */
  readonly sources: readonly LineSource[];
  readonly contextOf: (source: LineSource) => LineContext;
  /** Ends the reading; what was read goes on its way. */
  readonly signal: AbortSignal;
}

export interface LineReceiver {
  readonly report: SendReport;
  readonly send: (event: LineEvent, place: LinePlace) => Promise<void>;
}

/**
 * Reads the files one after the other, hands their events on and tells what cannot be read. Resolves with what the format has to say.
 * @throws ConfigError where a file is of another format altogether
 */
export async function readAll(
  { format, sources, contextOf, signal }: ReadAllOptions,
  { report, send }: LineReceiver,
): Promise<readonly string[]> {
  const notes = new Set<string>();
  let read: LineReader | undefined;
  let place: LinePlace = { line: 0 };
  const end = async (reader: LineReader): Promise<void> => {
    const ending = reader.end?.() ?? {};
    for (const event of ending.settled ?? []) await send(event, place);
    for (const note of ending.notes ?? []) notes.add(note);
  };
  for (const source of sources) {
    if (signal.aborted) break;
    if (read?.next !== undefined) read.next(contextOf(source));
    else {
      if (read !== undefined) await end(read);
      read = format.reader(contextOf(source));
    }
    const file = sources.length > 1 ? { file: source.name } : {};
    let isBegun = false;
    let number = 0;
    for await (const line of source.lines()) {
      if (signal.aborted) break;
      place = { ...file, line: ++number };
      const fault = faultOf(line, format);
      if (fault !== undefined) {
        report.refuse(place, fault);
        continue;
      }
      const result = readLine(read, line.text);
      for (const event of eventsIn(result)) await send(event, place);
      if (result.kind === "unknown") report.puzzle(place, result.what);
      if (result.kind === "foreign" && !isBegun)
        throw new ConfigError("usage", `${source.name} cannot be read: ${result.reason}`, { hint: result.hint });
      if (result.kind === "invalid" || result.kind === "foreign") report.refuse(place, result.reason);
      isBegun ||= line.text.trim() !== "";
    }
  }
  if (read !== undefined) await end(read);
  return [...notes];
}

/** Logs hold what clients send, whatever its encoding. Of an event in JSON another text would be another event. */
const faultOf = ({ fault }: Line, { name }: FormatPlan): string | undefined =>
  fault === "too-long"
    ? `it is longer than ${maxLineBytes} bytes`
    : fault === "not-utf8" && name === "json"
      ? "it is not UTF-8 text"
      : undefined;
