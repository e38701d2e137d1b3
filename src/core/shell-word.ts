/** What every shell takes as it is. A word that begins with `~` or `=` is another matter. */
const plain = /^[\w@%+:,./-][\w@%+=:,./-]*$/;
/** What cannot stand in a line, or steers a terminal that prints it. */
const unseen = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "'": "\\'", "\\": "\\\\" };
const octal = (char: string): string => [...Buffer.from(char)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");

/**
 * A text as one word of a command that people paste into a shell (sh, bash, zsh): quoted where it has to be, and always in one line.
 * Characters that cannot be seen are written as `$'…'`, which bash, zsh and busybox read.
 * @example `redis-cli DEL ${shellWord("it's")}` is `redis-cli DEL 'it'\''s'`; a line break is `$'\n'`
 */
export function shellWord(text: string): string {
  if (plain.test(text)) return text;
  if (!unseen.test(text)) return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  return `$'${[...text].map((char) => short[char] ?? (unseen.test(char) ? octal(char) : char)).join("")}'`;
}
