import { inspect, styleText } from "node:util";
import { errorCodes } from "../core/error-codes.ts";
import { HeadraceError, messageOf } from "../core/errors.ts";
import { exactJson } from "../core/exact-json.ts";
import { writeStandardError } from "../core/standard-error.ts";
import { printable, printableJson, printableLines } from "./printable.ts";

/** Exit codes that scripts rely on. */
export const exitCodes = { fine: 0, findings: 1, usage: 2, interrupted: 130 } as const;

/** One JSON object on its line of standard output. */
export const printJson = (value: object): void => {
  process.stdout.write(`${jsonOf(value)}\n`);
};

/** A JSON object for people, over several lines. */
export const printJsonLines = (value: object): void => {
  process.stdout.write(`${jsonOf(value, 2)}\n`);
};

const jsonOf = (value: object, indent?: number): string => printableJson(exactJson(value, indent));

/** Text for people. All that is printed goes through here or through its neighbours, so nothing steers the terminal. */
export const printLine = (text: string): void => {
  process.stdout.write(`${printableLines(text)}\n`);
};

/** For people, beside the answer: progress, hints, warnings. */
export const say = (text: string): void => {
  writeStandardError(`${printableLines(text)}\n`);
};

/** Rows as an aligned table; numbers to the right. */
export function printTable(rows: readonly Readonly<Record<string, unknown>>[]): void {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (keys.length === 0) return;
  const names = keys.map(printable);
  const cells = rows.map((row) => keys.map((key) => cellText(row[key])));
  const widths = names.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const numeric = names.map((_, i) => cells.every((row) => row[i] === "" || /^-?\d+(\.\d+)?$/.test(row[i] ?? "")));
  const line = (row: readonly string[]) =>
    row
      .map((text, i) => (numeric[i] ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  printLine(line(names));
  printLine(widths.map((width) => "─".repeat(width)).join("  "));
  for (const row of cells) printLine(line(row));
}

const cellText = (value: unknown): string =>
  value === undefined || value === null ? "" : printable(typeof value === "object" ? exactJson(value) : String(value));

/** Prints what failed and the way out; the stack only with --debug, or where the fault is ours. */
export function reportError(error: unknown, debug: boolean): number {
  writeStandardError(process.stderr.isTTY && !process.env.NO_COLOR ? styleText("red", "error:") : "error:");
  say(` ${printable(messageOf(error))}`);
  if (error instanceof HeadraceError && error.hint) say(`       ${error.hint}`);
  if (debug) say(`${error instanceof HeadraceError ? `${error.code}: ${errorCodes[error.code]}\n` : ""}${inspect(error)}`);
  else if (!(error instanceof HeadraceError)) say("       Run it again with --debug for the details.");
  return error instanceof HeadraceError && error.code === "usage" ? exitCodes.usage : exitCodes.findings;
}
