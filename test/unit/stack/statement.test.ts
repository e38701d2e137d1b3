import fc from "fast-check";
import { expect, test } from "vitest";
import { sqlTokens } from "../../../src/stack/clickhouse/sql-tokens.ts";
import {
  insertFromFile,
  quoteName,
  quoteString,
  readDataInsert,
  shapeOfStatement,
} from "../../../src/stack/clickhouse/statement.ts";

function read(sql: string) {
  const insert = readDataInsert(sql, { rowsToCome: true });
  return typeof insert === "string" ? insert : { sql: insertFromFile(insert, "/f"), data: sql.slice(insert.dataAt) };
}

test.each([
  ["INSERT INTO t FORMAT Native\n\u0001\n", "INSERT INTO t FROM INFILE '/f' FORMAT Native", "\u0001\n"],
  [
    "insert into table db.`t 1` (a, `FORMAT`) format CSV 1,2",
    "insert into table db.`t 1` (a, `FORMAT`) FROM INFILE '/f' FORMAT CSV",
    "1,2",
  ],
  [
    "INSERT INTO t SETTINGS a = 'FORMAT x', b=1 FORMAT JSONEachRow\r\n{}",
    "INSERT INTO t FROM INFILE '/f' SETTINGS a = 'FORMAT x', b=1 FORMAT JSONEachRow",
    "{}",
  ],
  ["INSERT INTO format FORMAT CSV\n1", "INSERT INTO format FROM INFILE '/f' FORMAT CSV", "1"],
  ["INSERT INTO db.settings FORMAT CSV\n1", "INSERT INTO db.settings FROM INFILE '/f' FORMAT CSV", "1"],
  ["/* FORMAT */ INSERT INTO t -- FORMAT x\nFORMAT CSV;\n;", "/* FORMAT */ INSERT INTO t FROM INFILE '/f' FORMAT CSV", ";"],
  [
    "INSERT INTO FUNCTION file('a', CSV, 'FORMAT Int8') FORMAT CSV\n",
    "INSERT INTO FUNCTION file('a', CSV, 'FORMAT Int8') FROM INFILE '/f' FORMAT CSV",
    "",
  ],
  ["INSERT INTO t (a) VALUES\n", "INSERT INTO t (a) FROM INFILE '/f' FORMAT Values", ""],
  ["INSERT INTO {t:Identifier} FORMAT CSV\n1", "INSERT INTO {t:Identifier} FROM INFILE '/f' FORMAT CSV", "1"],
])("%j is read as an insert of data", (sql, rewritten, data) => {
  expect(read(sql)).toEqual({ sql: rewritten, data });
});

test.each([
  "SELECT 1",
  "INSERT INTO t VALUES (1)",
  "INSERT INTO t SELECT 1",
  "INSERT INTO t (a) WITH 1 AS x SELECT x",
  "CREATE TABLE t",
  "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
])("%j is no insert of data", (sql) => {
  expect(read(sql)).toBe("other");
});

test.each([
  "",
  "  -- begin",
  "INS",
  "INSERT",
  "INSERT INTO",
  "INSERT INTO t VALUES",
  "INSERT INTO t (a, b",
  "INSERT INTO t FORMAT",
  "INSERT INTO t FORMAT CS",
])("%j may go on", (sql) => {
  expect(read(sql)).toBe("more");
});

test("an insert is recognized the same, wherever its text is cut", () => {
  const sql = "INSERT INTO t (`a;`, b) SETTINGS x = ')' FORMAT CSV\n1,FORMAT\n";
  const whole = readDataInsert(sql);
  for (let cut = 0; cut <= sql.length; cut += 1) {
    const read = readDataInsert(sql.slice(0, cut));
    if (cut < sql.indexOf("CSV\n") + 4) expect(read).toBe("more");
    else expect(read).toEqual(whole);
  }
});

test.each([
  ["SELECT 1", "rows", undefined],
  ["(SELECT 1) UNION ALL (SELECT 2)", "rows", undefined],
  ["WITH 1 AS x SELECT x FORMAT CSV;", "rows", "CSV"],
  ["SELECT 'FORMAT a', `FORMAT` FROM t FORMAT Native SETTINGS max_threads = 1", "rows", "Native"],
  ["SELECT * FROM format(CSV, '1')", "rows", undefined],
  ["WITH 1 AS x INSERT INTO t SELECT x", "writing", undefined],
  ["SELECT 1 INTO OUTFILE 'x'", "writing", undefined],
  ["SHOW TABLES FORMAT JSON", "reading", "JSON"],
  ["DESCRIBE t", "reading", undefined],
  ["ALTER TABLE t DELETE WHERE 1", "writing", undefined],
])("%j: kind %s, format %s", (sql, kind, format) => {
  expect(shapeOfStatement(sql)).toMatchObject({ kind, format, secondStatementAt: undefined });
});

test("a second statement is seen, and nothing else is taken for one", () => {
  expect(shapeOfStatement("SELECT 1; SELECT 2").secondStatementAt).toBe(10);
  for (const sql of ["SELECT ';'", "SELECT 1;;\n; -- ;", "SELECT `a;b`", "SELECT $$;a$$, $x$;$$;$x$", "SELECT /* ; */ 1 # ; x"]) {
    expect(shapeOfStatement(sql).secondStatementAt).toBeUndefined();
  }
});

test("SET, USE and temporary tables mark their connection", () => {
  for (const sql of ["SET a = 1", "use db", "CREATE TEMPORARY TABLE t (a Int8)"])
    expect(shapeOfStatement(sql).marksConnection).toBe(true);
  for (const sql of ["SELECT 1", "ALTER TABLE t MODIFY SETTING a = 1"]) expect(shapeOfStatement(sql).marksConnection).toBe(false);
});

test("tokens cover the text in order, and quoted text is one token, whatever is in it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string(), (inner, noise) => {
      for (const quoted of [quoteString(inner), quoteName(inner)])
        expect([...sqlTokens(quoted)].map(({ text }) => text)).toEqual([quoted]);
      let at = 0;
      for (const token of sqlTokens(noise)) {
        expect(token.start).toBeGreaterThanOrEqual(at);
        expect(token.end).toBeGreaterThan(token.start);
        at = token.end;
      }
    }),
  );
});
