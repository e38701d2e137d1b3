import { ConfigError, type HeadraceError, messageOf, RetryableError, TerminalError } from "../../core/errors.ts";
import { isRecord } from "../../core/is-record.ts";
import { nth } from "../../core/nth.ts";

/** What ClickHouse says of a failure: `Code: 469. DB::Exception: … (VIOLATED_CONSTRAINT)`. */
export interface ServerFault {
  readonly code: number;
  /** Its name, such as `VIOLATED_CONSTRAINT`; empty where the server gave none. */
  readonly name: string;
  readonly text: string;
}

/**
 * Sorts whatever a call of ClickHouse threw into the decision to take:
 * - TerminalError `clickhouse.data`: some row is refused; find it and give it up.
 * - ConfigError `clickhouse.schema`: the statement, the table, a view behind it or the rights are wrong; no row is to blame.
 * - RetryableError `service.unreachable`: no answer came.
 * - RetryableError `clickhouse.retry`: all else, so also what is not known here: nothing is given up for an error nobody has sorted.
 */
export function sortError(error: unknown, where: string): HeadraceError {
  if (error instanceof ConfigError || error instanceof RetryableError || error instanceof TerminalError) return error;
  const fault = serverFault(error);
  if (fault === undefined) {
    return new RetryableError("service.unreachable", `${where}: ${messageOf(error) || "ClickHouse does not answer"}`, {
      cause: error,
    });
  }
  const sentence = () => `${where}: ${fault.name || "error"} ${fault.code}: ${short(fault.text, 300)}`;
  const decision = decide(fault);
  switch (decision) {
    case "data":
      return new TerminalError("clickhouse.data", reasonOf(fault), { cause: error });
    case "schema":
      return new ConfigError("clickhouse.schema", sentence(), {
        hint: rights.has(fault.code)
          ? "Check the user, the password and the grants of CLICKHOUSE_URL."
          : "Run `headrace migrate --apply`, then start the pipeline again.",
        cause: error,
      });
    case "retry":
      return new RetryableError("clickhouse.retry", sentence(), { cause: error });
    default:
      return decision satisfies never;
  }
}

/** Reads the code, name and text of a failure that ClickHouse has told; `undefined` for anything else. */
function serverFault(error: unknown): ServerFault | undefined {
  if (!isRecord(error)) return undefined;
  const { code, type, message } = error;
  const text = typeof message === "string" ? message : "";
  // @clickhouse/client has parsed it already; a network error's code is letters, such as ECONNREFUSED.
  if (typeof code === "string" && /^\d+$/.test(code))
    return { code: Number(code), name: typeof type === "string" ? type : "", text: text.trim() };
  const match = /Code:\s*(\d+)\.\s*(?:DB::)?Exception:\s*([\s\S]*)/.exec(text);
  if (match === null) return undefined;
  const body = nth(match, 2).trim();
  const name = /\(([A-Z][A-Z0-9_]{2,})\)(?:\s*\(version [^)]*\))?\s*$/.exec(body);
  return { code: Number(match[1]), name: name?.[1] ?? "", text: name === null ? body : body.slice(0, name.index).trim() };
}

function decide({ code, text }: ServerFault): "data" | "schema" | "retry" {
  // One code, two meanings: a table with too many parts will merge them; rows over too many partitions will never go in together.
  if (code === 252) return /partitions for single INSERT block/i.test(text) ? "data" : "retry";
  // An unknown column of a Native block is told as incorrect data, and is the fault of no row.
  if (code === 117) return /unknown (field|column)|skip_unknown_fields|no such column/i.test(text) ? "schema" : "data";
  if (data.has(code)) return "data";
  if (schema.has(code) || rights.has(code)) return "schema";
  return "retry";
}

/** Values that cannot be read, converted or kept; constraints; what a view computes from a row and fails at. */
const data: ReadonlySet<number> = new Set([
  6, // CANNOT_PARSE_TEXT
  26, // CANNOT_PARSE_QUOTED_STRING
  27, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  33, // CANNOT_READ_ALL_DATA
  38, // CANNOT_PARSE_DATE
  41, // CANNOT_PARSE_DATETIME
  69, // ARGUMENT_OUT_OF_BOUND
  72, // CANNOT_PARSE_NUMBER
  128, // TOO_LARGE_ARRAY_SIZE
  130, // CANNOT_READ_ARRAY_FROM_TEXT
  131, // TOO_LARGE_STRING_SIZE
  153, // ILLEGAL_DIVISION
  190, // SIZES_OF_ARRAYS_DONT_MATCH
  321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
  376, // CANNOT_PARSE_UUID
  395, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
  407, // DECIMAL_OVERFLOW
  441, // CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING
  467, // CANNOT_PARSE_BOOL
  469, // VIOLATED_CONSTRAINT
  675, // CANNOT_PARSE_IPV4
  676, // CANNOT_PARSE_IPV6
  691, // UNKNOWN_ELEMENT_OF_ENUM
]);

/** The table, its columns or a view behind it are not what the pipeline was written for, whatever the rows hold. */
const schema: ReadonlySet<number> = new Set([
  8, // THERE_IS_NO_COLUMN
  10, // NOT_FOUND_COLUMN_IN_BLOCK
  15, // DUPLICATE_COLUMN
  16, // NO_SUCH_COLUMN_IN_TABLE
  20, // NUMBER_OF_COLUMNS_DOESNT_MATCH
  36, // BAD_ARGUMENTS
  42, // NUMBER_OF_ARGUMENTS_DOESNT_MATCH
  43, // ILLEGAL_TYPE_OF_ARGUMENT
  44, // ILLEGAL_COLUMN
  46, // UNKNOWN_FUNCTION
  47, // UNKNOWN_IDENTIFIER
  48, // NOT_IMPLEMENTED
  50, // UNKNOWN_TYPE
  53, // TYPE_MISMATCH
  57, // TABLE_ALREADY_EXISTS
  60, // UNKNOWN_TABLE
  62, // SYNTAX_ERROR
  63, // UNKNOWN_AGGREGATE_FUNCTION
  70, // CANNOT_CONVERT_TYPE
  73, // UNKNOWN_FORMAT
  80, // INCORRECT_QUERY
  81, // UNKNOWN_DATABASE
  115, // UNKNOWN_SETTING
  122, // INCOMPATIBLE_COLUMNS
  179, // MULTIPLE_EXPRESSIONS_FOR_ALIAS
  181, // ILLEGAL_FINAL
  184, // ILLEGAL_AGGREGATION
  215, // NOT_AN_AGGREGATE
  344, // SUPPORT_IS_DISABLED
  386, // NO_COMMON_TYPE
  452, // SETTING_CONSTRAINT_VIOLATION
  456, // UNKNOWN_QUERY_PARAMETER
  457, // BAD_QUERY_PARAMETER
  524, // ALTER_OF_COLUMN_IS_FORBIDDEN
]);

/** Who we are or what we may do. */
const rights: ReadonlySet<number> = new Set([
  164, // READONLY
  192, // UNKNOWN_USER
  193, // WRONG_PASSWORD
  194, // REQUIRED_PASSWORD
  195, // IP_ADDRESS_NOT_ALLOWED
  291, // DATABASE_ACCESS_DENIED
  497, // ACCESS_DENIED
  516, // AUTHENTICATION_FAILED
]);

/**
 * ClickHouse's reason in short. Its text quotes values of the row, with and without marks: reasons are counted by their text and shown
 * to operators, so only what cannot be a value is taken from it.
 */
function reasonOf({ code, name, text }: ServerFault): string {
  const label = `clickhouse ${code}${name === "" ? "" : ` ${name}`}`;
  const constraint = /^Constraint `([^`]+)`/.exec(text)?.[1];
  return constraint === undefined ? label : `${label}: constraint ${constraint}`;
}

function short(text: string, length: number): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`;
}
