import { readAttributes } from "../../bus/attributes.ts";
import { isTooDeep, tooDeep } from "../../bus/event-limits.ts";
import { isRecord } from "../../core/is-record.ts";
import type { FormatPlan, LineContext, LineReader, LineResult } from "../../plan/plan.ts";
import { Copies } from "./copies.ts";

/**
 * The format `json`: one event a line, `{"id"?, "type", "version"?, "time"?, "source"?, "traceparent"?, "data"}`; an
 * attribute that is null is absent. An event without an id gets one from the line's
 * content, and from how often the same line came before; one without a time has the time of the file, and a made id then
 * depends on it: one id never carries two times.
 */
export const jsonLines: FormatPlan = { kind: "format", name: "json", reader };

function reader({ now: time, idOf }: LineContext): LineReader {
  let now = time;
  let isFirst = true;
  const copies = new Copies();
  const read = (line: string): LineResult => {
    const text = line.trim();
    if (text === "") return { kind: "ignored", reason: "blank" };
    const whole = isFirst ? foreign(text) : undefined;
    isFirst = false;
    if (whole !== undefined) return whole;
    let event: unknown;
    try {
      event = JSON.parse(text);
    } catch (error) {
      return invalid(`not JSON: ${error instanceof Error ? error.message : error}`);
    }
    if (!isRecord(event)) return invalid("not a JSON object");
    if (isTooDeep(text)) return invalid(tooDeep);
    const read = readAttributes(event);
    if (read.kind === "bad") return invalid(read.error);
    const { id, type, source, traceparent, version, time } = read;
    const { data } = event;
    if (!isRecord(data)) return invalid("the event has no object 'data'");
    const at = time ?? now.getTime();
    const made = () => idOf(placed(time === undefined ? `${text}\n${at}` : text));
    return {
      kind: "events",
      events: [{ id: id ?? made(), source, traceparent, version, type, time: new Date(at), data }],
    };
  };
  /** Only texts that come without an id are counted. */
  const placed = (text: string): string => `${text}\n${copies.next(text)}`;

  return Object.assign(read, {
    next: (context: LineContext) => {
      now = context.now;
      isFirst = true;
      copies.clear();
    },
  });
}

/** JSON that is not written in lines: its first line gives it away. */
function foreign(text: string): LineResult | undefined {
  if (text === "[" || /^\[\s*\{/.test(text))
    return {
      kind: "foreign",
      reason: "it holds a JSON array, not an event a line",
      hint: "Take it apart first: jq -c '.[]' FILE | headrace send …",
    };
  if (text === "{")
    return {
      kind: "foreign",
      reason: "it holds JSON of several lines, not an event a line",
      hint: "Put each event on a line first: jq -c . FILE | headrace send …",
    };
  return undefined;
}

const invalid = (reason: string): LineResult => ({ kind: "invalid", reason });
