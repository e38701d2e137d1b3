import { systemCode } from "../../core/system-code.ts";
/** An error in ClickHouse's own terms: a number, a name and a sentence. Thrown by the front, or read from the engine. */
export class ClickHouseFault extends Error {
  override readonly name = "ClickHouseFault";
  readonly code: number;
  readonly type: string;

  constructor(code: number, type: string, message: string) {
    super(message);
    this.code = code;
    this.type = type;
  }

  /** `Code: 60. DB::Exception: … (UNKNOWN_TABLE) (version …)`, the shape that clients parse. */
  text(version: string): string {
    return `Code: ${this.code}. DB::Exception: ${this.message} (${this.type}) (version ${version})\n`;
  }
}

/** Reads what the engine threw. The engine may wrap an error in itself, and names our spool file: both are taken out. */
export function faultOf(error: unknown): ClickHouseFault {
  if (error instanceof ClickHouseFault) return error;
  if (systemCode(error) === "ENOSPC") {
    return new ClickHouseFault(243, "NOT_ENOUGH_SPACE", "there is no room for the data of this INSERT");
  }
  const text = error instanceof Error ? error.message : String(error);
  const head = /^(?:Code: (\d+)\. DB::(?:NetException|Exception|ErrnoException): )+/.exec(text);
  const code = Number(head?.[1] ?? 1002);
  let message = text
    .slice(head?.[0].length ?? 0)
    .replace(/:? ?\(in file\/uri [^)]*\/headrace-\d+-\d+\)/g, "")
    .trim();
  let type: string | undefined;
  for (;;) {
    const tail = /\s*\((?:version [^()]*|([A-Z][A-Z0-9_]{3,}))\)\.?$/.exec(message);
    if (!tail) break;
    type ??= tail[1];
    message = message.slice(0, tail.index);
  }
  return new ClickHouseFault(code, type ?? "UNKNOWN_EXCEPTION", message);
}

const byStatus: Readonly<Record<number, readonly string[]>> = {
  400: [
    "BAD_ARGUMENTS",
    "CANNOT_COMPILE_REGEXP",
    "CANNOT_PARSE_TEXT",
    "CANNOT_PARSE_ESCAPE_SEQUENCE",
    "CANNOT_PARSE_QUOTED_STRING",
    "CANNOT_PARSE_DATE",
    "CANNOT_PARSE_DATETIME",
    "CANNOT_PARSE_NUMBER",
    "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING",
    "CANNOT_PARSE_IPV4",
    "CANNOT_PARSE_IPV6",
    "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    "CANNOT_PARSE_UUID",
    "DUPLICATE_COLUMN",
    "ILLEGAL_COLUMN",
    "UNKNOWN_ELEMENT_IN_AST",
    "UNKNOWN_TYPE_OF_AST_NODE",
    "THERE_IS_NO_COLUMN",
    "TOO_DEEP_AST",
    "TOO_BIG_AST",
    "UNEXPECTED_AST_STRUCTURE",
    "SYNTAX_ERROR",
    "INCORRECT_DATA",
    "TYPE_MISMATCH",
    "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
  ],
  401: ["REQUIRED_PASSWORD"],
  403: ["UNKNOWN_USER", "WRONG_PASSWORD", "AUTHENTICATION_FAILED", "SET_NON_GRANTED_ROLE", "ACCESS_DENIED"],
  404: [
    "UNKNOWN_TABLE",
    "UNKNOWN_FUNCTION",
    "UNKNOWN_IDENTIFIER",
    "UNKNOWN_TYPE",
    "UNKNOWN_STORAGE",
    "UNKNOWN_DATABASE",
    "UNKNOWN_SETTING",
    "UNKNOWN_DIRECTION_OF_SORTING",
    "UNKNOWN_AGGREGATE_FUNCTION",
    "UNKNOWN_FORMAT",
    "UNKNOWN_DATABASE_ENGINE",
    "UNKNOWN_TYPE_OF_QUERY",
    "UNKNOWN_ROLE",
  ],
  408: ["TIMEOUT_EXCEEDED"],
  411: ["HTTP_LENGTH_REQUIRED"],
  413: ["QUERY_IS_TOO_LARGE"],
  415: ["UNSUPPORTED_MEDIA_TYPE"],
  501: ["NOT_IMPLEMENTED"],
  503: ["SOCKET_TIMEOUT", "CANNOT_OPEN_FILE", "CANNOT_SCHEDULE_TASK"],
};

const statuses = new Map(
  Object.entries(byStatus).flatMap(([status, types]) => types.map((type) => [type, Number(status)] as const)),
);

/** The HTTP status of an error's name, by the server's own table (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp). */
export function statusOfFault(type: string): number {
  return statuses.get(type) ?? 500;
}
