import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { ClickHouseFault } from "./fault.ts";

/** A request in the terms of ClickHouse's HTTP interface, its body not yet read. */
export interface ClickHouseRequest {
  readonly queryId: string;
  /** The `query` parameter; the body follows it. */
  readonly query: string;
  readonly database: string | undefined;
  readonly settings: ReadonlyMap<string, string>;
  readonly parameters: ReadonlyMap<string, string>;
  /** The format for a result whose SQL names none. */
  readonly defaultFormat: string;
  readonly gzipAnswer: boolean;
  /** The whole result is made before the first byte goes out, so that the headers can tell about it. */
  readonly waitEndOfQuery: boolean;
  /** GET must not change anything. */
  readonly readOnly: boolean;
}

/** What the HTTP front answers for itself; every other parameter is a setting of the statement. */
const ownParameters = new Set([
  "query",
  "query_id",
  "database",
  "default_format",
  "user",
  "password",
  "quota_key",
  "role",
  "stacktrace",
  "compress",
  "decompress",
  "enable_http_compression",
  "http_zlib_compression_level",
  "wait_end_of_query",
  "http_wait_end_of_query",
  "buffer_size",
  "http_response_buffer_size",
  "send_progress_in_http_headers",
  "http_headers_progress_interval_ms",
  "session_timeout",
  "session_check",
  "close_session",
  "client_protocol_version",
]);

/** Reads address and headers; `form` holds the fields of a multipart body, which may carry the same parameters. */
export function readRequest(request: IncomingMessage, form: ReadonlyMap<string, string> = new Map()): ClickHouseRequest {
  const url = new URL(request.url ?? "/", "http://loopback");
  const values = new Map([...url.searchParams, ...form]);
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const on = (name: string): boolean => ["1", "true"].includes(values.get(name) ?? "");
  if (values.has("session_id")) {
    throw new ClickHouseFault(
      48,
      "NOT_IMPLEMENTED",
      "session_id is not supported by the embedded ClickHouse: every statement stands alone",
    );
  }
  for (const name of ["compress", "decompress"]) {
    if (!on(name)) continue;
    throw new ClickHouseFault(
      48,
      "NOT_IMPLEMENTED",
      `${name}=1 is not supported by the embedded ClickHouse: use HTTP compression (gzip)`,
    );
  }
  const queryId = values.get("query_id") || randomUUID();
  // It stands in a header of the answer.
  if (!/^[\x20-\x7e]+$/.test(queryId)) throw new ClickHouseFault(36, "BAD_ARGUMENTS", "query_id holds more than printable ASCII");
  const settings = new Map<string, string>();
  const parameters = new Map<string, string>();
  for (const [name, value] of values) {
    if (name.startsWith("param_")) parameters.set(name.slice("param_".length), value);
    else if (!ownParameters.has(name)) settings.set(name, value);
  }
  return {
    queryId,
    query: values.get("query") ?? "",
    database: values.get("database") || header("x-clickhouse-database"),
    settings,
    parameters,
    defaultFormat: header("x-clickhouse-format") ?? (values.get("default_format") || "TabSeparated"),
    gzipAnswer: on("enable_http_compression") && /\bgzip\b/.test(header("accept-encoding") ?? ""),
    waitEndOfQuery: on("wait_end_of_query") || on("http_wait_end_of_query"),
    readOnly: request.method === "GET" || request.method === "HEAD",
  };
}

/** The body with its Content-Encoding taken off. A body that breaks off ends in an error. */
export function decodedBody(request: IncomingMessage): Readable {
  const encoding = request.headers["content-encoding"] ?? "identity";
  const decoder =
    encoding === "gzip" || encoding === "x-gzip"
      ? createGunzip()
      : encoding === "deflate"
        ? createInflate()
        : encoding === "br"
          ? createBrotliDecompress()
          : undefined;
  if (decoder !== undefined) {
    request.on("error", (error) => decoder.destroy(error));
    return request.pipe(decoder);
  }
  if (encoding === "identity") return request;
  throw new ClickHouseFault(
    89,
    "UNKNOWN_COMPRESSION_METHOD",
    `Content-Encoding '${encoding}' is not supported: use gzip, deflate or br`,
  );
}

/** The fields of a multipart body (query and parameters only). Files, the server's external tables, are refused. */
export async function readForm(request: IncomingMessage): Promise<ReadonlyMap<string, string> | undefined> {
  const type = request.headers["content-type"] ?? "";
  if (!type.startsWith("multipart/form-data")) return undefined;
  const body = Readable.toWeb(decodedBody(request)) as unknown as ConstructorParameters<typeof Response>[0];
  const form = await new Response(body, { headers: { "content-type": type } }).formData();
  const fields = new Map<string, string>();
  for (const [name, value] of form) {
    if (typeof value !== "string")
      throw new ClickHouseFault(48, "NOT_IMPLEMENTED", "external tables are not supported by the embedded ClickHouse");
    fields.set(name, value);
  }
  return fields;
}
