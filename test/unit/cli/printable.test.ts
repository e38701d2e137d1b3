import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { printJson, printJsonLines, printLine, printTable, reportError, say } from "../../../src/cli/output.ts";
import { ConfigError } from "../../../src/core/errors.ts";
import { parseExactJson } from "../../../src/core/exact-json.ts";

/** What a terminal obeys, or cannot show; line breaks aside. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const steers = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Cs}/u;
const nasty = "\x1b[2J \x9b31m \x90q\x9c \x07 \x7f \r \u202edrowssap \u2066 \u2028 half \ud83d \0";

function printed(print: () => unknown): string {
  let text = "";
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, "write").mockImplementation((chunk) => {
      text += String(chunk);
      return true;
    });
  print();
  vi.restoreAllMocks();
  return text;
}

const ways: readonly (readonly [string, (text: string) => unknown])[] = [
  ["a line", printLine],
  ["a word beside the answer", say],
  ["a cell of a table", (text) => printTable([{ one: text, two: { deep: [text] } }])],
  ["the name of a column", (text) => printTable([{ [text]: 1 }])],
  ["a line of JSON", (text) => printJson({ [text]: text })],
  ["JSON for people", (text) => printJsonLines({ [text]: [text] })],
  ["an error", (text) => reportError(new Error(text), false)],
  ["an error in full", (text) => reportError(new Error(text, { cause: { text } }), true)],
  ["the way out", (text) => reportError(new ConfigError("usage", text, { hint: text }), false)],
];

describe("what is printed steers no terminal", () => {
  it.each(ways)("as %s", (_, print) => {
    expect(printed(() => print(nasty))).not.toMatch(steers);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: fc.constantFrom("\x1b", "\x9d", "a", "\ud800") }), (a, b) => {
        expect(printed(() => print(a + b))).not.toMatch(steers);
      }),
      { numRuns: 50 },
    );
  });

  it("and says what it was, as it is written in code", () => {
    expect(printed(() => printTable([{ key: "a\x1b[2J\nb\x9bc\u202ed" }]))).toContain("a\\x1b[2J\\x0ab\\x9bc\\u202ed");
    expect(printed(() => printLine("one\n\ttwo"))).toBe("one\n\ttwo\n");
    expect(printed(() => printLine("Grüße, 日本, 👨‍👩‍👧"))).toBe("Grüße, 日本, 👨‍👩‍👧\n");
  });

  it("and JSON stays the same JSON", () => {
    const value = { text: nasty, line: "a\nb\tc", big: 2n ** 64n };
    for (const print of [printJson, printJsonLines]) expect(parseExactJson(printed(() => print(value)))).toEqual(value);
  });
});
