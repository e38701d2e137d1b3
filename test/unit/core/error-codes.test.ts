import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { errorCodes } from "../../../src/core/error-codes.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Class and code of every error that is made under `src/`, with its file. */
const thrown = (readdirSync(`${root}src`, { recursive: true }) as string[])
  .filter((file) => file.endsWith(".ts"))
  .flatMap((file) =>
    [...readFileSync(`${root}src/${file}`, "utf8").matchAll(/new (\w+Error)\(\s*"([a-z]+(?:\.[a-z]+)?)"/g)].map(
      ([, kind = "", code = ""]) => ({ kind, code, file }),
    ),
  )
  .filter(({ code }) => code in errorCodes);
const classesOf = (code: string) => [...new Set(thrown.filter((one) => one.code === code).map(({ kind }) => kind))];

const documented = [...readFileSync(`${root}docs/errors.md`, "utf8").matchAll(/^\| `([a-z.]+)` \| `(\w+)` \| (.+) \|$/gm)].map(
  ([, code = "", kind = "", meaning = ""]) => ({ code, kind, meaning }),
);

describe("an error code", () => {
  it.each(Object.keys(errorCodes))("%s is thrown, and leaves one decision to take: it has one class", (code) => {
    expect(classesOf(code)).toHaveLength(1);
  });

  it("means one thing, which no other code means", () => {
    const meanings = Object.values(errorCodes);
    expect(new Set(meanings).size).toBe(meanings.length);
  });

  it("is documented with its class and its meaning", () => {
    const known = Object.entries(errorCodes).map(([code, meaning]) => ({ code, kind: classesOf(code)[0], meaning }));
    expect(documented).toEqual(known);
  });
});
