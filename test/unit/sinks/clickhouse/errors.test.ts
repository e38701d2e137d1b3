import { describe, expect, test } from "vitest";
import { sortError } from "../../../../src/sinks/clickhouse/errors.ts";

/** As @clickhouse/client throws it. */
const parsed = (code: number, type: string, message = "something") =>
  Object.assign(new Error(message), { code: String(code), type });
/** As it stands in an answer that was not parsed. */
const raw = (code: number, type: string, message = "something") =>
  new Error(`Code: ${code}. DB::Exception: ${message}. (${type}) (version 26.7.2.1)`);

describe("an error of ClickHouse", () => {
  test.each([
    ["a refused connection", Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:8123"), { code: "ECONNREFUSED" })],
    ["a socket that hung up", Object.assign(new Error("socket hang up"), { code: "ECONNRESET" })],
    ["an error without a text", new AggregateError([])],
    ["a time-out", new Error("no answer within 60000 ms")],
    ["a gateway's page", new Error("<html>502 Bad Gateway</html>")],
  ])("that is %s means: nobody answers, try again", (_, error) => {
    expect(sortError(error, "insert into t")).toMatchObject({ name: "RetryableError", code: "service.unreachable" });
  });

  test.each([
    [
      "too many parts",
      parsed(252, "TOO_MANY_PARTS", "Too many parts (3000) in table. Merges are processing significantly slower than inserts"),
    ],
    ["no memory", raw(241, "MEMORY_LIMIT_EXCEEDED")],
    ["a read-only table", parsed(242, "TABLE_IS_READ_ONLY")],
    ["too many queries", parsed(202, "TOO_MANY_SIMULTANEOUS_QUERIES")],
    ["a lost keeper", raw(999, "KEEPER_EXCEPTION")],
    ["a code that nobody has sorted", parsed(9_999, "SOMETHING_NEW")],
  ])("that is %s means: try again", (_, error) => {
    expect(sortError(error, "insert into t")).toMatchObject({ name: "RetryableError", code: "clickhouse.retry" });
  });

  test.each([
    [
      "a constraint",
      parsed(
        469,
        "VIOLATED_CONSTRAINT",
        "Constraint `positive` for table a.t (1-2) is violated at row 7. Expression: (n > 0). Column values: n = 0",
      ),
      "clickhouse 469 VIOLATED_CONSTRAINT: constraint positive",
    ],
    [
      "a text that is no UUID",
      parsed(376, "CANNOT_PARSE_UUID", "Cannot parse uuid ann@example.org: Cannot parse UUID from String"),
      "clickhouse 376 CANNOT_PARSE_UUID",
    ],
    [
      "a quoted value",
      raw(6, "CANNOT_PARSE_TEXT", "Cannot parse string 'ann' as Int32: syntax error at position 3"),
      "clickhouse 6 CANNOT_PARSE_TEXT",
    ],
    [
      "rows over too many partitions",
      parsed(252, "TOO_MANY_PARTS", "Too many partitions for single INSERT block (more than 100)"),
      "clickhouse 252 TOO_MANY_PARTS",
    ],
    [
      "a name that an enum lacks",
      raw(691, "UNKNOWN_ELEMENT_OF_ENUM", "Unexpected value 3 in enum"),
      "clickhouse 691 UNKNOWN_ELEMENT_OF_ENUM",
    ],
  ])("that is %s means: some row is refused, with a reason that holds no value", (_, error, reason) => {
    expect(sortError(error, "insert into t")).toMatchObject({ name: "TerminalError", code: "clickhouse.data", message: reason });
  });

  test.each([
    ["a missing table", parsed(60, "UNKNOWN_TABLE"), "headrace migrate"],
    ["a missing column", raw(16, "NO_SUCH_COLUMN_IN_TABLE"), "headrace migrate"],
    [
      "an unknown column of a block",
      parsed(117, "INCORRECT_DATA", "Unknown column with name extra found while processing data in Native format"),
      "headrace migrate",
    ],
    ["another type", parsed(53, "TYPE_MISMATCH"), "headrace migrate"],
    ["a wrong password", parsed(516, "AUTHENTICATION_FAILED"), "grants"],
    ["a missing grant", raw(497, "ACCESS_DENIED"), "grants"],
  ])("that is %s means: stop, a person has to act", (_, error, hint) => {
    const sorted = sortError(error, "insert into t");
    expect(sorted).toMatchObject({ name: "ConfigError", code: "clickhouse.schema" });
    expect(sorted.hint).toContain(hint);
  });
});
