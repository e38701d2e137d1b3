import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { spansOfArray, spansOfLines } from "../../../src/collector/split.ts";

const partsOf = (text: string) => spansOfArray(text)?.map(([from, to]) => text.slice(from, to));

describe("the parts of a JSON array", () => {
  it("are its elements, whatever those hold", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 1, "\t"), (values, indent) => {
        const text = ` \n${JSON.stringify(values, undefined, indent)} `;
        expect(partsOf(text)?.map((part) => JSON.parse(part))).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ["[]", []],
    [" [ ] ", []],
    ['[1,{"a":[2,3]},"],["]', ["1", '{"a":[2,3]}', '"],["']],
    ['["a\\"","\\\\",3]', ['"a\\""', '"\\\\"', "3"]],
  ])("of %s", (text, parts) => expect(partsOf(text)).toEqual(parts));

  it("stay themselves beside one that is broken", () => {
    expect(partsOf('[{"a":1},{"b":},nonsense,,{"c":2}]')).toEqual(['{"a":1}', '{"b":}', "nonsense", "", '{"c":2}']);
  });

  it.each([
    ["an object", '{"a":1}'],
    ["nothing", ""],
    ["an array without an end", '[{"a":1},'],
    ["an array that ends within a text", '["a]'],
    ["an array that a brace closes", "[1}"],
    ["an array with something behind it", "[1],[2]"],
  ])("are none of %s", (_, text) => expect(spansOfArray(text)).toBeUndefined());
});

it("lines are those that are not blank", () => {
  const text = '{"a":1}\r\n\n  \n{"b":2}\n{"c":3}';
  expect(spansOfLines(text).map(([from, to]) => text.slice(from, to))).toEqual(['{"a":1}\r', '{"b":2}', '{"c":3}']);
});
