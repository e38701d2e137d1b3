import type { Readable } from "node:stream";
import { ClickHouseFault } from "./fault.ts";
import type { Spool, SpooledData } from "./spool.ts";
import { type DataInsert, readDataInsert } from "./statement.ts";

/** What a request asks the engine to do: run a SQL text, or insert the data that was spooled to a file. */
export type RequestBody =
  | { readonly kind: "sql"; readonly sql: string }
  | { readonly kind: "data"; readonly insert: DataInsert; readonly data: SpooledData };

/** An INSERT whose column list is longer than this must come with its FORMAT in the `query` parameter. */
const headLimitBytes = 256 * 1024;
const sqlLimitBytes = 512 * 1024 * 1024;

/**
 * Reads `query` + line break + body, the way the server joins them. The data of an INSERT goes to the spool as it
 * arrives; everything else is SQL. Rejects when the body breaks off, and leaves no spooled file behind then.
 */
export async function readRequestBody(query: string, body: Readable, spool: Spool): Promise<RequestBody> {
  const start = query.trim() === "" ? Buffer.alloc(0) : Buffer.from(`${query.trimEnd()}\n`);
  let head: Buffer[] = [start];
  let headBytes = start.length;
  let insert = start.length === 0 ? "more" : readInsertHead(start, true);
  let sink = typeof insert === "object" ? spool.open() : undefined;
  try {
    if (typeof insert === "object") await sink?.write(start.subarray(insert.dataAt));
    for await (const piece of body as AsyncIterable<Buffer>) {
      if (sink !== undefined) {
        await sink.write(piece);
        continue;
      }
      head.push(piece);
      headBytes += piece.length;
      if (headBytes > sqlLimitBytes)
        throw new ClickHouseFault(229, "QUERY_IS_TOO_LARGE", `the SQL text is over ${sqlLimitBytes} bytes`);
      if (insert !== "more") continue;
      const soFar = Buffer.concat(head);
      head = [soFar];
      insert = readInsertHead(soFar);
      if (insert === "more" && headBytes > headLimitBytes) insert = "other";
      if (typeof insert !== "object") continue;
      sink = spool.open();
      await sink.write(soFar.subarray(insert.dataAt));
    }
    if (insert === "more") {
      // Nothing more comes: an INSERT that ends here is one without data.
      insert = readInsertHead(Buffer.concat([...head, Buffer.from("\n")]), true);
      if (typeof insert === "object") sink = spool.open();
    }
    if (sink === undefined || typeof insert !== "object") return { kind: "sql", sql: Buffer.concat(head).toString("utf8") };
    return { kind: "data", insert, data: await sink.finish() };
  } catch (error) {
    await sink?.discard();
    throw error;
  }
}

/** Offsets have to count bytes, so the text is read one byte a character, and its parts are decoded afterwards. */
function readInsertHead(head: Buffer, rowsToCome = false): DataInsert | "more" | "other" {
  const found = readDataInsert(head.toString("latin1"), { rowsToCome });
  if (typeof found !== "object") return found;
  const decode = (part: string): string => Buffer.from(part, "latin1").toString("utf8");
  return { target: decode(found.target), settings: decode(found.settings), format: found.format, dataAt: found.dataAt };
}
