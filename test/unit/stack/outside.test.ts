import { describe, expect, test } from "vitest";
import { reachOf } from "../../../src/stack/clickhouse/outside.ts";

const rules = {
  directories: ["/state/archive"],
  tableFunctions: new Set(["file", "s3", "url", "filesystem", "numbers", "icebergcluster"]),
};

describe("what reaches beyond the database", () => {
  test.each([
    "SELECT file('/etc/passwd')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT 1 WHERE (SELECT count() FROM (SELECT * FROM (SELECT file('/etc/passwd')))) > 0",
    "SELECT file -- a comment (\n /* and another */ ('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT \"file\"('/etc/passwd')",
    "SELECT \"fi\\x6ce\"('/etc/passwd')",
    "SELECT ‘it''s’, file('/etc/passwd'), ‘'’",
    "SELECT $x$ ' $x$, file('/etc/passwd')",
    "SELECT arrayMap(file, ['/etc/passwd'])",
    "SELECT arrayMap((`file`), ['/etc/passwd'])",
    "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
    "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
    "SELECT * FROM filesystem('/etc')",
    "DESCRIBE TABLE file('/etc/passwd', 'LineAsString')",
    "DESCRIBE file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM t INTO OUTFILE '/tmp/out'",
    "select * from t into /* */ outfile '/tmp/out' truncate",
    "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT LineAsString",
    "INSERT INTO FUNCTION file('/etc/cron.d/x', 'RawBLOB', 'a String') SELECT 'x'",
    "INSERT INTO t SELECT arrayMap(file, ['/etc/passwd'])",
    "CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'web', endpoint = 'http://h/')",
    "CREATE TEMPORARY TABLE t (a String) ENGINE = File('CSV', '/etc/passwd')",
    "CREATE VIEW v AS SELECT file('/etc/passwd')",
    "ATTACH TABLE t FROM '/srv/data' (a String) ENGINE = MergeTree ORDER BY a",
    "SELECT * FROM executable('x.sh', 'TSV', 'a String')",
    "SELECT * FROM eval('SELECT 1')",
  ])("is refused: %s", (sql) => {
    expect(() => reachOf(sql, rules)).toThrow(
      expect.objectContaining({ code: 497, message: expect.stringContaining("HEADRACE_ARCHIVE") }),
    );
  });

  test.each([
    "SELECT 'file(' , \"a file\", count(file), t.file, file FROM t ORDER BY (file, a)",
    "SELECT file FROM t WHERE file = 'into outfile x from infile'",
    "INSERT INTO file (file, a) SELECT t.file, a FROM t",
    "INSERT INTO mapping (file, a) VALUES ('x', 1)",
    "CREATE TABLE file (file String, disk UInt8) ENGINE = MergeTree ORDER BY (file)",
    "ALTER TABLE a ATTACH PARTITION ID '20261101' FROM b",
    "ATTACH TABLE t",
    "SELECT arrayMap(x -> x, [1]), mapKeys(file_sizes) FROM t",
  ])("is not to be found in: %s", (sql) => {
    expect(reachOf(sql, rules)).toBe("inside");
  });
});

describe("the files of the archive", () => {
  test.each([
    "SELECT count() FROM file('/state/archive/logins/2026-11-01/1/00.parquet', 'Parquet', '`at` DateTime64(3, \\'Europe/Berlin\\')')",
    "INSERT INTO FUNCTION file('/state/archive/logins/x.parquet', 'Parquet', '`a` String') SELECT `a` FROM `logins` FINAL WHERE _partition_id = '1'",
    "DESCRIBE TABLE file('/state/archive/a', 'Parquet')",
    "INSERT INTO logins (a) SELECT a FROM (SELECT a FROM file('/state/archive/a', 'Parquet') UNION ALL SELECT a FROM file('/state/archive/b', 'Parquet'))",
  ])("may be used: %s", (sql) => {
    expect(reachOf(sql, rules)).toBe("files");
  });

  test.each([
    "SELECT * FROM file('/state/archive/../secret', 'CSV')",
    "SELECT * FROM file('/state/archive', 'CSV')",
    "SELECT * FROM file('/state/archive-of-others/a', 'CSV')",
    "SELECT * FROM file('/state/archive/{a,/../../../etc/passwd}', 'CSV')",
    "SELECT * FROM file('/state/archive/\\x2e\\x2e/secret', 'CSV')",
    "SELECT * FROM file(concat('/state/archive/', 'a'), 'CSV')",
    "SELECT file('/state/archive/a')",
    // The right would be there for these too.
    "SELECT * FROM file('/state/archive/a', 'CSV'), url('file:///etc/passwd', 'CSV')",
    "SELECT * FROM file('/state/archive/a', 'CSV'), icebergCluster('x')",
    "SELECT * FROM file('/state/archive/a', 'CSV'), `/etc/passwd`",
    "SELECT * FROM file('/state/archive/a', 'CSV'), '/etc/passwd'",
    "SELECT * FROM file('/state/archive/a', 'CSV') UNION ALL SELECT * FROM 'notes.csv'",
    "CREATE TABLE t AS SELECT * FROM file('/state/archive/a', 'CSV')",
  ])("are nothing that leads elsewhere: %s", (sql) => {
    expect(() => reachOf(sql, rules)).toThrow("reaches no files");
  });
});
