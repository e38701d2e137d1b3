/** What is wrong with a text that came in `what`, such as `event`. */
export const halvedIn = (what: string): string =>
  `a text of the ${what} holds half a character, a surrogate without its partner such as \\ud83d: other languages cannot read it`;

/** Whether JSON text may hold half a character: written in UTF-8, only an escape can. */
export const mayBeHalved = (text: string): boolean => text.includes("\\u") && /\\u[dD][89a-fA-F]/.test(text);

/** Whether a value that came out of JSON holds half a character, in a text or in the name of a field. However deep it nests. */
export function isHalved(value: unknown): boolean {
  const left = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one === "string") {
      if (/\p{Cs}/u.test(one)) return true;
    } else if (Array.isArray(one)) {
      for (const part of one) left.push(part);
    } else if (typeof one === "object" && one !== null) {
      for (const [name, part] of Object.entries(one)) left.push(name, part);
    }
  }
  return false;
}
