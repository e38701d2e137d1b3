import { halvedIn } from "../core/half-character.ts";

/** What an event may measure as JSON, bytes. */
export const maxEventBytes = 256 * 1024;
/** How deep brackets may nest in an event as JSON. Deeper text is an attack on parsers, not a fact. */
export const maxDepth = 64;
/** Characters of an event's id, at most. */
export const maxIdLength = 128;

export const tooLarge = (bytes: number, limit = maxEventBytes): string =>
  `the event measures ${bytes} bytes; ${limit} are the limit`;
export const tooDeep = `the JSON nests deeper than ${maxDepth} levels`;

/** Whether JSON text nests deeper than `maxDepth`. */
export function isTooDeep(text: string): boolean {
  if (!mayBeTooDeep(text)) return false;
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quoted) {
      if (char === "\\") i++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "[" || char === "{") {
      if (++depth > maxDepth) return true;
    } else if (char === "]" || char === "}") depth--;
  }
  return false;
}

/** Depth needs as many opening brackets as levels. Most texts hold a handful, and are not read twice. */
export const mayBeTooDeep = (text: string): boolean =>
  occurrences(text, "{", maxDepth) + occurrences(text, "[", maxDepth) > maxDepth;

/** Whether a value that came out of JSON nests deeper than `levels`. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  const parts = Array.isArray(value) ? value : Object.values(value);
  return parts.some((part) => isDeeper(part, levels - 1));
}

/** How often `char` occurs, counted up to one more than `limit`. */
function occurrences(text: string, char: string, limit: number): number {
  let count = 0;
  for (let at = text.indexOf(char); at >= 0 && count <= limit; at = text.indexOf(char, at + 1)) count++;
  return count;
}

export const halved = halvedIn("event");
