import { nth } from "../../core/nth.ts";
/** One significant piece of a SQL text. Offsets count characters of the text that was read. */
export interface SqlToken {
  readonly kind: "word" | "string" | "quoted" | "number" | "mark";
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** How many brackets are open around it; an opening or closing bracket counts as outside of itself. */
  readonly depth: number;
}

const wordStart = /[A-Za-z_]/;
const wordRest = /[A-Za-z0-9_$]/;
const opening = "([{";
const closing = ")]}";

/**
 * The tokens of a SQL text in ClickHouse's dialect, without white space and comments. It knows just enough to never
 * mistake a string, a quoted name, a heredoc or a comment for syntax; an unterminated one ends with the text.
 * Lazy, so that the data behind an INSERT's FORMAT clause is never read as SQL.
 */
export function* sqlTokens(sql: string, from = 0): Generator<SqlToken, void, undefined> {
  let depth = 0;
  let at = from;
  while (at < sql.length) {
    const afterSpace = skipSpaceAndComments(sql, at);
    if (afterSpace >= sql.length) return;
    at = afterSpace;
    const char = nth(sql, at);
    let end: number;
    let kind: SqlToken["kind"];
    if (char === "'") [kind, end] = ["string", endOfQuoted(sql, at, char)];
    else if (char === "`" || char === '"') [kind, end] = ["quoted", endOfQuoted(sql, at, char)];
    else if (char === "\u2018") [kind, end] = ["string", indexAfter(sql, "\u2019", at + 1)];
    else if (char === "\u201c") [kind, end] = ["quoted", indexAfter(sql, "\u201d", at + 1)];
    else if (char === "$" && heredocTag(sql, at) !== undefined) [kind, end] = ["string", endOfHeredoc(sql, at)];
    else if (wordStart.test(char)) [kind, end] = ["word", endWhile(sql, at + 1, wordRest)];
    else if (/[0-9]/.test(char)) [kind, end] = ["number", endWhile(sql, at + 1, /[A-Za-z0-9_.]/)];
    else [kind, end] = ["mark", at + 1];
    if (kind === "mark" && closing.includes(char)) depth = Math.max(0, depth - 1);
    yield { kind, text: sql.slice(at, end), start: at, end, depth };
    if (kind === "mark" && opening.includes(char)) depth += 1;
    at = end;
  }
}

/** Whether the token is this keyword (given in capitals), in any case of letters. */
export function isWord(token: SqlToken | undefined, ...words: readonly string[]): boolean {
  return token?.kind === "word" && words.includes(token.text.toUpperCase());
}

/** Whether the token is this mark, such as `(` or `;`. */
export function isMark(token: SqlToken | undefined, mark: string): boolean {
  return token?.kind === "mark" && token.text === mark;
}

function skipSpaceAndComments(sql: string, from: number): number {
  let at = from;
  for (;;) {
    while (at < sql.length && /\s/.test(nth(sql, at))) at += 1;
    const two = sql.slice(at, at + 2);
    if (two === "--" || two === "#!" || two === "# ") at = indexAfter(sql, "\n", at + 2);
    else if (two === "/*") at = indexAfter(sql, "*/", at + 2);
    else return at;
  }
}

function endOfQuoted(sql: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < sql.length) {
    const char = sql[at];
    if (char === "\\") at += 2;
    else if (char !== quote) at += 1;
    else if (sql[at + 1] === quote) at += 2;
    else return at + 1;
  }
  return sql.length;
}

function heredocTag(sql: string, at: number): string | undefined {
  return /^\$\w*\$/.exec(sql.slice(at, at + 66))?.[0];
}

function endOfHeredoc(sql: string, at: number): number {
  const tag = heredocTag(sql, at) as string;
  return indexAfter(sql, tag, at + tag.length);
}

function endWhile(sql: string, from: number, allowed: RegExp): number {
  let at = from;
  while (at < sql.length && allowed.test(nth(sql, at))) at += 1;
  return at;
}

function indexAfter(sql: string, needle: string, from: number): number {
  const found = sql.indexOf(needle, from);
  return found < 0 ? sql.length : found + needle.length;
}
