/**
 * What came out of a stream, a table or the environment must not steer the terminal: not by control characters (C0, DEL, C1), not by
 * those that turn the direction of what follows, not by those that begin a line of its own, not by half a character.
 */
const steering = String.raw`\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069`;
const any = new RegExp(`[${steering}]`, "gu");
const butLines = new RegExp(`(?![\n\t])[${steering}]`, "gu");

/** As they are written in code. */
const asCode = (char: string): string => {
  const code = char.charCodeAt(0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
};

/** For what stands within a line: line breaks are escaped too. */
export const printable = (text: string): string => text.replace(any, asCode);

/** For text of several lines. */
export const printableLines = (text: string): string => text.replace(butLines, asCode);

/** For JSON: what it leaves as it is, and a terminal obeys. It stays the same JSON. */
export const printableJson = (json: string): string =>
  json.replace(butLines, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
