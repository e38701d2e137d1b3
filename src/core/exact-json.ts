import { randomUUID } from "node:crypto";

/** A number that JavaScript would round, as JSON writes it: `0.12345678901234567890`, `-0`, `1e400`. */
export class ExactNumber {
  readonly digits: string;

  constructor(digits: string) {
    this.digits = digits;
  }

  toString(): string {
    return this.digits;
  }
}

/** Stands before numbers that are a text for as long as `JSON` handles them. No text of anyone else's begins with it. */
const mark = `number ${randomUUID()} `;
const markedTexts = new RegExp(`"${mark}([^"]*)"`, "g");
const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const textsAndNumbers = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/gs;

/**
 * Any value that JSON has, and bigints and exact numbers, which are written as numbers with all their digits.
 *
 * @param indent - spaces for each level, over several lines. @default all on one line
 */
export function exactJson(value: unknown, indent?: number): string {
  const isExact = (part: unknown) => typeof part === "bigint" || part instanceof ExactNumber;
  return JSON.stringify(value, (_, part) => (isExact(part) ? `${mark}${part}` : part), indent).replace(markedTexts, "$1");
}

/**
 * What JSON says, with all digits of its numbers: whole ones that JavaScript would round are bigints, others `ExactNumber`s. Written
 * again by `exactJson`, each number has the digits that it came with.
 *
 * @throws SyntaxError where it is no JSON
 */
export function parseExactJson(json: string): unknown {
  const marked = json.replace(textsAndNumbers, (token) => (isRounded(token) ? `"${mark}${token}"` : token));
  return JSON.parse(marked, (_, part) =>
    typeof part === "string" && part.startsWith(mark) ? exact(part.slice(mark.length)) : part,
  );
}

const isRounded = (token: string): boolean => number.test(token) && String(Number(token)) !== token;

const exact = (digits: string): bigint | ExactNumber => (/^-?[1-9]\d*$/.test(digits) ? BigInt(digits) : new ExactNumber(digits));
