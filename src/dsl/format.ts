import type { FormatPlan, LineContext, LineReader } from "../plan/plan.ts";

/** A line format for `headrace send <stream> --from <name>`. */
export interface Format {
  readonly plan: FormatPlan;
}

/**
 * Declares how lines of text become events: `reader` is called once a file and returns a function of one line.
 * It must be deterministic: ids come from `context.idOf` of the line's content and place, so that sending a file twice
 * changes nothing.
 */
export function defineFormat(name: string, reader: (context: LineContext) => LineReader): Format {
  return { plan: { kind: "format", name, reader } };
}
