import { originField } from "../bus/origin.ts";
import { type DlqOptions, isCalled, noSuchLetter, notKept, summary, withDeadLetters } from "./dlq/letters.ts";
import { counted } from "./doctor/finding.ts";
import { exitCodes, printJson, printJsonLines, printTable, say } from "./output.ts";

/** `headrace dlq ls`: a line a dead letter, oldest first within a partition. */
export const dlqLs = (options: DlqOptions, id: string | undefined): Promise<number> =>
  withDeadLetters(options, async (context) => {
    const { found: letters } = context;
    const lines: Record<string, unknown>[] = [];
    for await (const found of letters) {
      if (id !== undefined && !isCalled(id, found)) continue;
      const line = summary(found.letter);
      if (options.json) printJson(line);
      else lines.push({ ...line, error: line.error.slice(0, 80) });
    }
    printTable(lines);
    for (const { pipeline, count } of await notKept(context, options.pipeline))
      say(`${counted(count, "more dead letter")} of '${pipeline}' had no room and were not kept: 'headrace audit' counts them.`);
    return exitCodes.fine;
  });

/** `headrace dlq show <id>`: everything that is kept of one, its original bytes included. Without an id, of all that the filter finds. */
export const dlqShow = (options: DlqOptions, id: string | undefined): Promise<number> =>
  withDeadLetters(options, async ({ found: letters }) => {
    let shown = 0;
    for await (const found of letters) {
      if (id !== undefined && !isCalled(id, found)) continue;
      shown++;
      const { letter } = found;
      const whole = {
        ...summary(letter),
        original: letter.original ?? null,
        fields: letter.fields.filter(([name]) => name !== originField).map(([name, value]) => describeField(name, value)),
      };
      if (options.json) printJson(whole);
      else printJsonLines(whole);
    }
    if (shown === 0 && id !== undefined) throw noSuchLetter(id);
    return exitCodes.fine;
  });

/** `headrace dlq stats`: how many by pipeline, stage and reason. */
export const dlqStats = (options: DlqOptions): Promise<number> =>
  withDeadLetters(options, async (context) => {
    const { found: letters } = context;
    const stats = new Map<
      string,
      { pipeline: string; stage: string; reason: string; count: number; first: string; last: string }
    >();
    for await (const { letter } of letters) {
      const { pipeline, stage, reason, at } = letter;
      const key = JSON.stringify([pipeline, stage, reason]);
      const known = stats.get(key) ?? { pipeline, stage, reason, count: 0, first: at, last: at };
      const [first = at, , last = at] = [known.first, known.last, at].sort();
      stats.set(key, { ...known, count: known.count + 1, first, last });
    }
    const missing = await notKept(context, options.pipeline);
    const lines = [
      ...[...stats.values()].sort((a, b) => b.count - a.count),
      ...missing.map(({ pipeline, count }) => ({ pipeline, stage: "", reason: "not-kept", count, first: null, last: null })),
    ];
    if (options.json) lines.forEach(printJson);
    else printTable(lines);
    return exitCodes.fine;
  });

/** Text as text; anything else as base64, so that no byte is lost. */
function describeField(name: string, value: Buffer) {
  const text = value.toString("utf8");
  return Buffer.from(text, "utf8").equals(value) ? { name, text } : { name, base64: value.toString("base64") };
}
