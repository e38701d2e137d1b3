import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { printable } from "../../../src/cli/printable.ts";
import { shellWord } from "../../../src/core/shell-word.ts";

/** What a shell makes of the words of a line. */
function readBy(shell: string, words: readonly string[]): readonly string[] {
  const line = words.map(shellWord).join(" ");
  return execFileSync(shell, ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" })
    .split("\0")
    .slice(0, -1);
}

const seen = [
  "plain",
  "a b",
  "it's",
  "$HOME `id` $(id)",
  "~",
  "=ls",
  "-n",
  "*",
  "{a,b}",
  "a;b&c|d",
  "!x",
  "#x",
  'say "a"',
  "\\",
  "",
  "ä€😀",
];
const unseen = ["two\nlines", "it's\n\\n 7", "\t\r", "\u001b[31m1", "\u202eabc\u2028", "\u0085"];
const bash = ["/bin/bash", "/usr/bin/bash", "/opt/homebrew/bin/bash"].find(existsSync);

describe("a word of a command that is printed", () => {
  it("is what it was when a shell has read it", () => {
    expect(readBy("/bin/sh", seen)).toEqual(seen);
  });

  it.skipIf(bash === undefined)("is so with characters that cannot be seen, whatever they are", () => {
    expect(readBy(bash as string, unseen)).toEqual(unseen);
    // A shell's argument holds no NUL, and no half of a character.
    const words = fc.string({ unit: "grapheme" }).filter((word) => !word.includes("\0"));
    const texts = fc.sample(
      fc.array(
        fc.oneof(
          words,
          fc.string().filter((word) => !word.includes("\0")),
        ),
        { minLength: 50 },
      ),
      4,
    );
    for (const all of texts) expect(readBy(bash as string, all)).toEqual(all);
  });

  it("stands in one line, and the terminal that prints it has nothing to obey", () => {
    for (const word of [...seen, ...unseen].map(shellWord)) expect(printable(word)).toBe(word);
    expect(shellWord("cart-17")).toBe("cart-17");
    expect(shellWord("two\nlines")).toBe(String.raw`$'two\nlines'`);
  });
});
