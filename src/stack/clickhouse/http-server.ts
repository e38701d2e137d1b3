import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Session } from "chdb";
import type { Logger } from "../../core/log.ts";
import { refuseOtherSites, refuseStrangers } from "./access.ts";
import { type AnswerOptions, answerFault, answerStream, answerWhole } from "./answer.ts";
import { readRequestBody } from "./body.ts";
import type { Engine, StatementContext } from "./engine.ts";
import { ClickHouseFault, faultOf } from "./fault.ts";
import { repeatedHeaderLines } from "./formats.ts";
import { reachOf } from "./outside.ts";
import { type ClickHouseRequest, decodedBody, readForm, readRequest } from "./request.ts";
import type { Spool, SpooledData } from "./spool.ts";
import { type DataInsert, insertFromFile, shapeOfStatement } from "./statement.ts";

/** What the HTTP front needs. */
export interface HttpServerDeps {
  readonly engine: Engine;
  readonly spool: Spool;
  readonly version: string;
  /** What every statement has to come with; without one all programs on the machine may ask. */
  readonly password: string | undefined;
  /** Directories of the archive: no other files are read or written. */
  readonly archives: readonly string[];
  readonly log: Logger;
}

export interface HttpServer {
  readonly server: Server;
  /** Takes no more connections, lets the requests that run end within the deadline, and closes every connection. */
  drain(deadlineMs: number): Promise<void>;
}

/** These need the whole result at hand: one block does not tell the rest. */
const wholeResult = /\b(TOTALS|extremes|output_format_json_array_of_rows)\b/i;
const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/**
 * ClickHouse's HTTP interface over the embedded engine, for who has the password of the stack. Not there: sessions, external tables,
 * roles, ClickHouse's own block compression, and KILL QUERY by the client's query id.
 */
export function createHttpServer(deps: HttpServerDeps): HttpServer {
  let running = 0;
  let whenIdle: (() => void) | undefined;
  const server = createServer((request, response) => {
    running += 1;
    response.once("close", () => {
      running -= 1;
      if (running === 0) whenIdle?.();
    });
    serve(request, response, deps).catch((error: unknown) => {
      deps.log.error({ error }, "a request failed beyond its answer");
      response.destroy();
    });
  });
  // A slow upload is the client's affair, as with the server.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 30_000;
  return {
    server,
    async drain(deadlineMs) {
      server.close();
      await new Promise<void>((resolve) => {
        whenIdle = resolve;
        if (running === 0) resolve();
        setTimeout(resolve, deadlineMs).unref();
      });
      server.closeAllConnections();
    },
  };
}

async function serve(request: IncomingMessage, response: ServerResponse, deps: HttpServerDeps): Promise<void> {
  let options: AnswerOptions = { queryId: "", version: deps.version, timezone, gzip: false };
  try {
    refuseOtherSites(request);
    const path = (request.url ?? "/").split("?", 1)[0];
    if (path === "/ping" || path === "/replicas_status") return answerPlain(response, 200, "Ok.\n");
    refuseStrangers(request, deps.password);
    if (path !== "/") return answerPlain(response, 404, `There is no handle ${path}\n`);
    if (request.method !== "POST" && request.method !== "GET") return answerPlain(response, 405, "Use GET or POST.\n");
    const form = await readForm(request);
    const asked = readRequest(request, form);
    options = { ...options, queryId: asked.queryId, gzip: asked.gzipAnswer };
    if (request.method === "GET" && asked.query === "") return answerPlain(response, 200, "Ok.\n");
    const body =
      form === undefined
        ? await readRequestBody(asked.query, decodedBody(request), deps.spool)
        : { kind: "sql" as const, sql: asked.query };
    if (body.kind === "data") return await insertData(body.insert, body.data, { asked, options, response, deps });
    await runSql(body.sql, { asked, options, response, deps });
  } catch (error) {
    // A client that has left in the middle of its body gets no answer, and nothing was run.
    if (request.destroyed && !request.complete) return void response.destroy();
    answerFault(response, options, faultOf(error));
    // What is still coming of the body has to be read away, or the client never sees the answer.
    request.resume();
  }
}

interface Exchange {
  readonly asked: ClickHouseRequest;
  readonly options: AnswerOptions;
  readonly response: ServerResponse;
  readonly deps: HttpServerDeps;
}

async function insertData(insert: DataInsert, data: SpooledData, { asked, options, response, deps }: Exchange): Promise<void> {
  try {
    refuseWriting(asked);
    const sql = insertFromFile(insert, data.path);
    const files = reaches(`${insert.target} ${insert.settings}`, asked, deps);
    const result = await deps.engine.with("write", { ...contextOf(asked), files, marksConnection: false }, sql, (session) =>
      session.queryAsync(sql, { format: "TabSeparated" }),
    );
    // The engine counts what it read from the file; rows that views wrote are not told.
    const counted = { rows: result.rowsRead, bytes: result.bytesRead };
    const summary = {
      readRows: counted.rows,
      readBytes: counted.bytes,
      writtenRows: counted.rows,
      writtenBytes: counted.bytes,
      elapsedSeconds: result.elapsed,
    };
    answerWhole(response, options, { format: asked.defaultFormat, body: Buffer.alloc(0), summary });
  } finally {
    await data.remove();
  }
}

async function runSql(sql: string, { asked, options, response, deps }: Exchange): Promise<void> {
  const shape = shapeOfStatement(sql);
  if (shape.secondStatementAt !== undefined) {
    throw new ClickHouseFault(
      62,
      "SYNTAX_ERROR",
      `Syntax error (Multi-statements are not allowed): failed at position ${shape.secondStatementAt + 1}.`,
    );
  }
  if (shape.kind === "writing") refuseWriting(asked);
  const format = shape.format ?? asked.defaultFormat;
  const headerLines = repeatedHeaderLines(format);
  const whole =
    shape.kind !== "rows" ||
    headerLines === undefined ||
    asked.waitEndOfQuery ||
    wholeResult.test(sql) ||
    asked.settings.has("extremes");
  const files = reaches(sql, asked, deps);
  await deps.engine.with(
    shape.kind === "writing" ? "write" : "read",
    { ...contextOf(asked), files, marksConnection: shape.marksConnection },
    sql,
    async (session: Session) => {
      if (!whole)
        return await answerStream(response, options, { format, headerLines, blocks: session.queryStream(sql, { format }) });
      const result = await session.queryAsync(sql, { format });
      const bytes = result.bytes();
      answerWhole(response, options, {
        format,
        body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        summary: { readRows: result.rowsRead, readBytes: result.bytesRead, elapsedSeconds: result.elapsed },
      });
    },
  );
}

const contextOf = ({
  database,
  settings,
  parameters,
}: ClickHouseRequest): Omit<StatementContext, "files" | "marksConnection"> => ({
  database,
  settings,
  parameters,
});

/** Whether it needs the right to files. Refuses what reaches further than the archive. */
function reaches(sql: string, { parameters }: ClickHouseRequest, { engine, archives }: HttpServerDeps): boolean {
  // The value of a parameter may name a function, where it stands for a name.
  const named = [...parameters.values()].map((value) => `arrayMap(${value},)`);
  const rules = { directories: archives, tableFunctions: engine.tableFunctions };
  if (/identifier/i.test(sql)) for (const one of named) reachOf(one, rules);
  return reachOf(sql, rules) === "files";
}

function refuseWriting(asked: ClickHouseRequest): void {
  if (!asked.readOnly) return;
  throw new ClickHouseFault(
    164,
    "READONLY",
    "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries.",
  );
}

function answerPlain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/html; charset=UTF-8", "Content-Length": Buffer.byteLength(text) });
  response.end(text);
}
