/** A name as SQL writes it. */
export const quoteName = (name: string): string => `\`${name.replace(/[\\`]/g, "\\$&")}\``;

/** A text as SQL writes it, and as ClickHouse prints it again. */
export const quoteText = (text: string): string =>
  `'${text.replace(/[\\'\n\r\t\0\b\f]/g, (character) => `\\${escapes[character] ?? character}`)}'`;

const escapes: Readonly<Record<string, string>> = { "\n": "n", "\r": "r", "\t": "t", "\0": "0", "\b": "b", "\f": "f" };
