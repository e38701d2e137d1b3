import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { createGzip, gzipSync } from "node:zlib";
import type { ChdbQueryStream } from "chdb";
import { type ClickHouseFault, faultOf, statusOfFault } from "./fault.ts";
import { mediaTypeOf, withoutLines } from "./formats.ts";

/** Counters for X-ClickHouse-Summary, as far as the engine tells them. */
export interface StatementSummary {
  readonly readRows?: number;
  readonly readBytes?: number;
  readonly writtenRows?: number;
  readonly writtenBytes?: number;
  readonly elapsedSeconds?: number;
}

/** How the answers to one request are written. */
export interface AnswerOptions {
  readonly queryId: string;
  readonly version: string;
  readonly timezone: string;
  readonly gzip: boolean;
}

/** zlib's level for answers: the server's default. */
const gzipLevel = 3;

/** Answers with a result that was made in one piece; an empty one for statements without a result. */
export function answerWhole(
  response: ServerResponse,
  options: AnswerOptions,
  result: { format: string; body: Buffer; summary: StatementSummary },
): void {
  const gzip = options.gzip && result.body.length > 0;
  const body = gzip ? gzipSync(result.body, { level: gzipLevel }) : result.body;
  writeHead(response, options, { format: result.format, summary: result.summary, gzip });
  response.setHeader("Content-Length", body.length);
  response.end(body);
}

/**
 * Sends blocks as the engine makes them, no faster than the client reads. The status is decided by the first block;
 * an error after it is told the way the server does: a tagged block at the end, then the connection breaks, so that
 * no client takes half a result for a whole one.
 */
export async function answerStream(
  response: ServerResponse,
  options: AnswerOptions,
  result: { format: string; headerLines: number; blocks: ChdbQueryStream },
): Promise<void> {
  let out: Writable | undefined;
  const begin = (): Writable => {
    response.setHeader("X-ClickHouse-Exception-Tag", tag);
    writeHead(response, options, { format: result.format, summary: {}, gzip: options.gzip });
    if (!options.gzip) return response;
    const gzip = createGzip({ level: gzipLevel });
    gzip.pipe(response);
    return gzip;
  };
  const tag = randomBytes(8).toString("hex");
  try {
    for await (const block of result.blocks) {
      // The client is gone: leaving the loop cancels the statement.
      if (response.destroyed) return;
      const bytes = Buffer.from(block.raw().buffer, block.raw().byteOffset, block.raw().byteLength);
      const piece = out === undefined ? bytes : withoutLines(bytes, result.headerLines);
      out ??= begin();
      if (!out.write(piece)) await drained(out, response);
    }
    out ??= begin();
    out.end();
  } catch (error) {
    if (out === undefined || response.destroyed) throw error;
    const text = faultOf(error).text(options.version);
    const length = Buffer.byteLength(text);
    out.write(`\r\n__exception__\r\n${tag}\r\n${text}${length} ${tag}\r\n__exception__\r\n`);
    if (out !== response) {
      out.end();
      await once(out, "end").catch(() => {});
    }
    // Without the last chunk of the chunked encoding the answer is incomplete for every HTTP client.
    if (response.socket !== null) response.socket.end();
  }
}

/** Resolves when more may be written, or the client is gone. */
function drained(out: Writable, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      out.off("drain", done);
      response.off("close", done);
      resolve();
    };
    out.once("drain", done);
    response.once("close", done);
  });
}

/** Answers with an error in the server's own form. */
export function answerFault(response: ServerResponse, options: AnswerOptions, fault: ClickHouseFault): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = Buffer.from(fault.text(options.version));
  response.statusCode = statusOfFault(fault.type);
  response.setHeader("X-ClickHouse-Exception-Code", fault.code);
  if (response.statusCode === 401) response.setHeader("WWW-Authenticate", 'Basic realm="ClickHouse server HTTP API"');
  writeHead(response, options, { format: undefined, summary: {}, gzip: false });
  response.setHeader("Content-Length", body.length);
  response.end(body);
}

interface Head {
  readonly format: string | undefined;
  readonly summary: StatementSummary;
  readonly gzip: boolean;
}

function writeHead(response: ServerResponse, options: AnswerOptions, head: Head): void {
  response.setHeader("Content-Type", head.format === undefined ? "text/plain; charset=UTF-8" : mediaTypeOf(head.format));
  response.setHeader("X-ClickHouse-Query-Id", options.queryId);
  response.setHeader("X-ClickHouse-Server-Display-Name", "headrace");
  response.setHeader("X-ClickHouse-Timezone", options.timezone);
  if (head.format !== undefined) response.setHeader("X-ClickHouse-Format", head.format);
  response.setHeader("X-ClickHouse-Summary", summaryText(head.summary));
  if (head.gzip) response.setHeader("Content-Encoding", "gzip");
}

/** Numbers are strings there, as in the server's header. */
function summaryText(summary: StatementSummary): string {
  return JSON.stringify({
    read_rows: String(summary.readRows ?? 0),
    read_bytes: String(summary.readBytes ?? 0),
    written_rows: String(summary.writtenRows ?? 0),
    written_bytes: String(summary.writtenBytes ?? 0),
    total_rows_to_read: "0",
    result_rows: String(summary.writtenRows ?? 0),
    result_bytes: String(summary.writtenBytes ?? 0),
    elapsed_ns: String(Math.round((summary.elapsedSeconds ?? 0) * 1e9)),
  });
}
