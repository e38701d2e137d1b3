import type { FormatPlan, LineContext, LineReader } from "../plan/plan.ts";

/** A line format for `headrace send <stream> --from <name>`. */
export interface Format {
  /** The format as data. */
  readonly plan: FormatPlan;
}

/**
 * Declares how lines of text become events: `reader` is called once a file and returns a function of one line.
 * It must be deterministic: ids come from `context.idOf` of the line's content and place, so that sending a file twice
 * changes nothing.
 *
 * @example
 * ```ts
 * const csv = defineFormat("meter-csv", ({ idOf }) => (line) => {
 *   const [meter = "", at = "", kwh] = line.split(",");
 *   if (kwh === undefined) return { kind: "invalid", reason: "not three fields" };
 *   const event = { id: idOf(line), type: "meter.read", time: new Date(at), data: { meter, kwh: Number(kwh) } };
 *   return { kind: "events", events: [event] };
 * });
 * ```
 */
export function defineFormat(name: string, reader: (context: LineContext) => LineReader): Format {
  return { plan: { kind: "format", name, reader } };
}
