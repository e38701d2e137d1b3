import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExactNumber, exactJson, parseExactJson } from "../../../src/core/exact-json.ts";

describe("JSON with exact numbers", () => {
  it("is what JSON has, where JavaScript holds every number", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.stringify(value);
        expect(exactJson(value)).toBe(json);
        expect(exactJson(value, 2)).toBe(JSON.stringify(value, undefined, 2));
        expect(parseExactJson(json)).toEqual(JSON.parse(json));
      }),
    );
  });

  it("gives back the digits that it was given, wherever the number stands", () => {
    const digits = fc
      .tuple(
        fc.constantFrom("", "-"),
        fc.bigInt({ min: 0n, max: 10n ** 40n }),
        fc.constantFrom("", ".50", ".12345678901234567890", "e400"),
      )
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.array(digits), fc.string(), (numbers, name) => {
        const json = `{${JSON.stringify(name)}:[${numbers.join()}],"in a text":${JSON.stringify(` 1.50 \\" ${numbers}`)}}`;
        expect(exactJson(parseExactJson(json))).toBe(json);
      }),
    );
  });

  it("has bigints for whole numbers that JavaScript would round, and digits for others", () => {
    const json = '[9007199254740991,9007199254740993,-18446744073709551616,0.30,-0,1.5,{"deep":[1e400]}]';
    const [safe, large, low, trailing, zero, plain, inner] = parseExactJson(json) as readonly unknown[];
    expect([safe, large, low, plain]).toEqual([9007199254740991, 9007199254740993n, -18446744073709551616n, 1.5]);
    expect([trailing, zero]).toEqual([new ExactNumber("0.30"), new ExactNumber("-0")]);
    expect(inner).toEqual({ deep: [new ExactNumber("1e400")] });
  });

  it("takes no text for a number, and a long one at once", () => {
    const text = `${"1234567890".repeat(500_000)}\\"`;
    expect(parseExactJson(JSON.stringify({ text }))).toEqual({ text });
    for (const broken of ['{"a":01}', "[1.]", "[--1]", '{"a":"1}', "[1e]"]) expect(() => parseExactJson(broken)).toThrow();
  });
});
