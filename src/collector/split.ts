/** Where a part of a text lies. */
export type TextSpan = readonly [from: number, to: number];

const [quote, comma, openBracket, closeBracket, openBrace, closeBrace] = [34, 44, 91, 93, 123, 125];
const backslash = 92;

/**
 * Where the parts of a JSON array lie, so that each can be read by itself: one that is broken costs its neighbours nothing. `undefined`
 * where the text is no array that ends.
 */
export function spansOfArray(text: string): readonly TextSpan[] | undefined {
  const spans: TextSpan[] = [];
  const start = text.search(/\S/);
  if (text.charCodeAt(start) !== openBracket) return undefined;
  let from = start + 1;
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === quote) {
      at = endOfString(text, at);
      if (at < 0) return undefined;
    } else if (char === openBracket || char === openBrace) depth++;
    else if (char === comma && depth === 1) {
      spans.push([from, at]);
      from = at + 1;
    } else if (char === closeBracket || char === closeBrace) {
      if (--depth > 0) continue;
      if (char !== closeBracket || text.slice(at + 1).trim() !== "") return undefined;
      return spans.length === 0 && text.slice(from, at).trim() === "" ? [] : [...spans, [from, at]];
    }
  }
  return undefined;
}

/** Where the lines of a text lie that are not blank. */
export function spansOfLines(text: string): readonly TextSpan[] {
  const spans: TextSpan[] = [];
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf("\n", from);
    const to = end < 0 ? text.length : end;
    if (/\S/.test(text.slice(from, to))) spans.push([from, to]);
    from = to + 1;
  }
  return spans;
}

/** Where the string that begins at `from` ends; -1 where it does not. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === backslash) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return -1;
}
