import { isMark, isWord, type SqlToken, sqlTokens } from "./sql-tokens.ts";

/** What the HTTP front has to know about a statement before the engine runs it. */
export interface StatementShape {
  /** `rows`: can be read as a stream of blocks. `reading`: answers something and changes nothing. `writing`: all else. */
  readonly kind: "rows" | "reading" | "writing";
  /** The format that the SQL itself asks for, if it does. */
  readonly format: string | undefined;
  /** Offset of a second statement behind a semicolon, which the HTTP interface refuses. */
  readonly secondStatementAt: number | undefined;
  /** It leaves something behind in its connection (SET, USE, temporary tables). */
  readonly marksConnection: boolean;
}

const readingWords = ["SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK"];

/** Looks at a whole statement (never at the data of an INSERT). */
export function shapeOfStatement(sql: string): StatementShape {
  let first: SqlToken | undefined;
  let kind: StatementShape["kind"] = "writing";
  let format: string | undefined;
  let secondStatementAt: number | undefined;
  let ended = false;
  let expectFormatName = false;
  let marksConnection = false;
  for (const token of sqlTokens(sql)) {
    if (ended) {
      if (isMark(token, ";")) continue;
      secondStatementAt = token.start;
      break;
    }
    if (first === undefined && !isMark(token, "(")) {
      first = token;
      if (isWord(token, "SELECT", "FROM", "WITH")) kind = "rows";
      else if (isWord(token, ...readingWords)) kind = "reading";
      marksConnection = isWord(token, "SET", "USE");
    }
    if (isWord(token, "TEMPORARY")) marksConnection = true;
    if (kind === "rows" && token.depth === 0 && isWord(token, "INSERT")) kind = "writing";
    if (kind === "rows" && token.depth === 0 && isWord(token, "OUTFILE")) kind = "writing";
    if (token.depth === 0 && isMark(token, ";")) {
      ended = true;
      continue;
    }
    if (expectFormatName && token.kind === "word") format = token.text;
    expectFormatName = token.depth === 0 && isWord(token, "FORMAT");
  }
  return { kind, format, secondStatementAt, marksConnection };
}

/** An INSERT whose rows follow the SQL as data in a format. */
export interface DataInsert {
  /** `INSERT INTO t (a, b)`, up to where `FROM INFILE` belongs. */
  readonly target: string;
  /** `SETTINGS a = 1, …`, or an empty text. */
  readonly settings: string;
  readonly format: string;
  /** Offset of the first byte of data. */
  readonly dataAt: number;
}

/**
 * Reads the head of a text as an INSERT with data behind it. `more`: the text ends before that can be told.
 * `other`: it is no such INSERT (another statement, INSERT SELECT, INSERT VALUES with its rows).
 * `rowsToCome`: a text that ends with VALUES has its rows in the body to come, and not in a piece of SQL still missing.
 */
export function readDataInsert(sql: string, { rowsToCome = false } = {}): DataInsert | "more" | "other" {
  const tokens = sqlTokens(sql);
  let lastEnd = 0;
  let token: SqlToken | undefined;
  const next = (): void => {
    lastEnd = token?.end ?? 0;
    token = tokens.next().value ?? undefined;
    // A token that touches the end may go on in the bytes to come.
    if (token?.end === sql.length) token = undefined;
  };
  next();
  if (token === undefined) return "more";
  if (!isWord(token, "INSERT")) return "other";
  next();
  if (isWord(token, "INTO")) next();
  if (isWord(token, "TABLE")) next();
  if (isWord(token, "FUNCTION")) next();
  // The name comes first, so that a table called `settings` or `format` is not taken for the clause.
  if (token === undefined) return "more";
  next();
  while (isMark(token, ".")) {
    next();
    next();
  }
  // Texts end with their last token: a comment behind it would swallow what is written after them.
  let target: string | undefined;
  let settingsAt = 0;
  for (; token !== undefined; next()) {
    if (token.depth > 0) continue;
    if (isWord(token, "SELECT", "WITH", "WATCH", "INFILE")) return "other";
    if (isWord(token, "SETTINGS") && target === undefined) {
      target = sql.slice(0, lastEnd);
      settingsAt = token.start;
    }
    if (!isWord(token, "FORMAT", "VALUES")) continue;
    const settings = target === undefined ? "" : sql.slice(settingsAt, lastEnd);
    target ??= sql.slice(0, lastEnd);
    if (isWord(token, "VALUES")) {
      if (sql.slice(token.end).trim() !== "") return "other";
      return rowsToCome ? { target, settings, format: "Values", dataAt: sql.length } : "more";
    }
    next();
    if (token === undefined) return "more";
    if (!isAnyWord(token)) return "other";
    const dataAt = skipToData(sql, token.end);
    if (dataAt === sql.length && !sql.endsWith("\n")) return "more";
    return { target, settings, format: token.text, dataAt };
  }
  return "more";
}

const isAnyWord = (token: SqlToken): boolean => token.kind === "word";

/** As the server does: blanks, then one line break, are not data. A semicolon right behind the name is forgiven. */
function skipToData(sql: string, from: number): number {
  return from + (/^[ \t\f]*;?[ \t\f]*\r?\n?/.exec(sql.slice(from, from + 1_000))?.[0].length ?? 0);
}

/** The statement that makes the engine read the data from a file. `SETTINGS` must stand between the file and the format. */
export function insertFromFile(insert: DataInsert, path: string): string {
  return [insert.target, "FROM INFILE", quoteString(path), insert.settings, "FORMAT", insert.format].filter(Boolean).join(" ");
}

/** A SQL string literal. */
export function quoteString(text: string): string {
  return `'${text.replace(/[\\']/g, (char) => `\\${char}`)}'`;
}

/** A quoted SQL name. */
export function quoteName(text: string): string {
  return `\`${text.replace(/[\\`]/g, (char) => `\\${char}`)}\``;
}
