import { normalize, sep } from "node:path";
import { ClickHouseFault } from "./fault.ts";
import { isMark, isWord, type SqlToken, sqlTokens } from "./sql-tokens.ts";

/**
 * What a statement wants of the world outside the database, as far as the engine has no right to withhold it: some ways to files are
 * open to everyone there. `files`: it reads or writes the archive, and needs the right to files.
 */
export type Reach = "inside" | "files";

/** Functions that reach files, disks or programs, and are asked for no right. */
const outsideFunctions = new Set([
  "file",
  "filesystem",
  "disk",
  "eval",
  "executable",
  "Executable",
  "ExecutablePool",
  "catboostEvaluate",
]);
/** Functions that take another function as their first argument. */
const higherOrder = /^(array|map)/i;
/** Without one of these in it a statement, which may be long, need not be read. */
const suspicious = /file|disk|eval|execut|catboost|temporary|attach|\\/i;
/** What may stand beside the files of an archive in one statement: none of them reads a file by itself. */
const fileFreeSources = new Set(["numbers", "values", "one", "null", "view", "merge"]);

/**
 * Refuses a statement that reaches beyond the database other than to the directories of the archive. Throws ClickHouseFault
 * ACCESS_DENIED that says where archives may lie.
 */
export function reachOf(sql: string, { directories, tableFunctions }: OutsideRules): Reach {
  if (!suspicious.test(sql)) return "inside";
  const tokens = [...sqlTokens(sql)];
  let pastColumns = !isWord(tokens[0], "INSERT");
  const archived = new Set<SqlToken>();
  const [first] = tokens;
  const describes = isWord(first, "DESCRIBE", "DESC");
  tokens.forEach((token, at) => {
    const [before, next] = [tokens[at - 1], tokens[at + 1]];
    if (isWord(token, "SELECT", "WITH", "VALUES")) pastColumns = true;
    if (isWord(token, "INFILE") && isWord(before, "FROM")) throw refusal("FROM INFILE");
    if (isWord(token, "OUTFILE") && isWord(before, "INTO")) throw refusal("INTO OUTFILE");
    if (isWord(token, "TEMPORARY") && tokens.some((one) => isWord(one, "ENGINE")))
      throw refusal("an ENGINE of a temporary table");
    if (isWord(first, "ATTACH") && isWord(before, "FROM") && token.kind === "string") throw refusal("ATTACH … FROM");
    const name = nameOf(token);
    if (name === undefined) return;
    if (isMark(next, "(") && outsideFunctions.has(name) && (describes || !namesTable(before))) {
      const path = tokens[at + 2];
      if (
        name !== "file" ||
        !isWord(before, "FROM", "FUNCTION", "JOIN", "TABLE", "DESCRIBE", "DESC") ||
        !isArchived(path, directories)
      )
        throw refusal(`${name}()`);
      archived.add(path);
    }
    if (name === "file" && pastColumns && isPassedOn(tokens, at)) throw refusal("file as a function");
  });
  if (archived.size === 0) return "inside";
  if (!isPlain(tokens, { archived, tableFunctions })) throw refusal("anything else beside the archive's files");
  return "files";

  function refusal(what: string): ClickHouseFault {
    const where = directories.map((one) => `'${one}'`).join(" or ");
    return new ClickHouseFault(
      497,
      "ACCESS_DENIED",
      `the embedded ClickHouse reaches no files and no other servers (${what}): archives lie in ${where}, or where HEADRACE_ARCHIVE says when 'headrace up' starts`,
    );
  }
}

export interface OutsideRules {
  readonly directories: readonly string[];
  /** All that the engine has, in small letters. */
  readonly tableFunctions: ReadonlySet<string>;
}

/** `INSERT INTO file (a, b)` names a table, and `t.file` a column. */
const namesTable = (before: SqlToken | undefined): boolean => isWord(before, "INTO", "TABLE", "EXISTS") || isMark(before, ".");

/** `arrayMap(file, …)` and `APPLY(file)`: a function is called that has no bracket behind its name. A column may be called `t.file`. */
function isPassedOn(tokens: readonly SqlToken[], at: number): boolean {
  if (isWord(tokens[at - 1], "APPLY")) return true;
  const next = tokens[at + 1];
  if (!isMark(tokens[at - 1], "(") || !(isMark(next, ",") || isMark(next, ")"))) return false;
  let opener = at - 1;
  while (isMark(tokens[opener - 1], "(")) opener -= 1;
  const caller = nameOf(tokens[opener - 1]) ?? "";
  return higherOrder.test(caller) || caller.toUpperCase() === "APPLY";
}

function isArchived(token: SqlToken | undefined, directories: readonly string[]): token is SqlToken {
  if (token?.kind !== "string" || token.text.includes("\\") || !token.text.startsWith("'")) return false;
  const path = token.text.slice(1, -1);
  return normalize(path) === path && !path.includes("..") && directories.some((one) => path.startsWith(`${one}${sep}`));
}

/** Whether nothing else in a statement that has the right to files can be one. */
function isPlain(
  tokens: readonly SqlToken[],
  { archived, tableFunctions }: { readonly archived: ReadonlySet<SqlToken>; readonly tableFunctions: ReadonlySet<string> },
): boolean {
  if (!isWord(tokens[0], "SELECT", "INSERT", "WITH", "DESCRIBE", "DESC")) return false;
  return tokens.every((token, at) => {
    const [before, next] = [tokens[at - 1], tokens[at + 1]];
    if (token.kind === "string") {
      if (archived.has(token)) return true;
      // A text may stand for a table, and then it is the path of a file.
      return (
        !isWord(before, "FROM", "JOIN", "INTO", "TABLE", "DESCRIBE") && !/^'([/~.\\]|\w+:\/\/)|\.\.|\\[xXuU0]/.test(token.text)
      );
    }
    const name = nameOf(token);
    if (name === undefined) return true;
    if (token.kind === "quoted" && /[/\\]/.test(name)) return false;
    if (!isMark(next, "(")) return true;
    return name === "file" || name === "s3" || fileFreeSources.has(name.toLowerCase()) || !tableFunctions.has(name.toLowerCase());
  });
}

/** The name that a word or a quoted name stands for. */
function nameOf(token: SqlToken | undefined): string | undefined {
  if (token?.kind === "word") return token.text;
  if (token?.kind !== "quoted") return undefined;
  return token.text
    .slice(1, -1)
    .replace(/\\x([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/\\(.)/gs, "$1")
    .replace(/``|""/g, (pair) => pair.slice(1));
}
