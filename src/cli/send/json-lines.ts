import { readAttributes } from "../../bus/attributes.ts";
import type { FormatPlan, LineReader, LineResult } from "../../plan/plan.ts";

/**
 * The format `json`: one event a line, `{"id"?, "type", "version"?, "time"?, "source"?, "traceparent"?, "data"}`; an
 * attribute that is null is absent. An event without an id gets one from the line's
 * content, and from how often the same line came before; one without a time has the time of the file, and a made id then
 * depends on it: one id never carries two times.
 */
export const jsonLines: FormatPlan = { kind: "format", name: "json", reader: ({ now, idOf }) => reader(now, idOf) };

function reader(now: Date, idOf: (text: string) => string): LineReader {
  const copies = new Map<string, number>();
  return (line) => {
    const text = line.trim();
    if (text === "") return { kind: "ignored", reason: "blank" };
    let event: unknown;
    try {
      event = JSON.parse(text);
    } catch (error) {
      return invalid(`not JSON: ${error instanceof Error ? error.message : error}`);
    }
    if (typeof event !== "object" || event === null || Array.isArray(event)) return invalid("not a JSON object");
    const read = readAttributes(event as Record<string, unknown>);
    if (read.kind === "bad") return invalid(read.error);
    const { id, type, source, traceparent, version, time } = read;
    const { data } = event as Record<string, unknown>;
    if (typeof data !== "object" || data === null || Array.isArray(data)) return invalid("the event has no object 'data'");
    const at = time ?? now.getTime();
    const made = () => idOf(place(time === undefined ? `${text}\n${at}` : text));
    return {
      kind: "events",
      events: [
        { id: id ?? made(), source, traceparent, version, type, time: new Date(at), data: data as Record<string, unknown> },
      ],
    };
  };

  /** Only texts that come without an id are remembered, by their hash. */
  function place(text: string): string {
    const key = idOf(text);
    const copy = (copies.get(key) ?? 0) + 1;
    copies.set(key, copy);
    return `${text}\n${copy}`;
  }
}

const invalid = (reason: string): LineResult => ({ kind: "invalid", reason });
