import { Readable } from "node:stream";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { minutes } from "../../core/duration.ts";
import { sortError } from "./errors.ts";
import { quoteName } from "./quote.ts";

export interface ClickHouseOptions {
  /** `http://host:8123`, for a server as for the embedded engine. */
  readonly url: string;
  /** @default "default" */
  readonly user?: string;
  /** @default "" */
  readonly password?: string;
  /** @default "default" */
  readonly database?: string;
}

export interface CallOptions {
  /** Ends the call; its outcome is then unknown. */
  readonly signal?: AbortSignal;
  /** How long the call may take, milliseconds. @default 60000 */
  readonly timeoutMs?: number;
  /** Values of `{name:Type}` in the statement. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** What errors call the statement. Needed where it holds a secret. @default its first words */
  readonly what?: string;
}

/** Where an insert goes: the columns in the order of the block. */
export interface InsertTarget {
  readonly name: string;
  readonly columns: readonly { readonly name: string }[];
}

/** What Headrace needs of ClickHouse. Every call throws RetryableError, TerminalError or ConfigError (see `sortError`). */
export interface ClickHouse {
  readonly database: string;
  /** Runs a statement that returns no rows. */
  run(sql: string, options?: CallOptions): Promise<void>;
  /** Runs a SELECT without a FORMAT clause. 64-bit integers come as numbers or as texts, as the server is set: read them with Number or BigInt. */
  query<Row>(sql: string, options?: CallOptions): Promise<readonly Row[]>;
  /** Inserts one block in the Native format. When it resolves, the rows are in the table and its views have seen them. */
  insertNative(target: InsertTarget, block: Buffer, options?: CallOptions): Promise<void>;
  /** The same server with another current database. */
  using(database: string): ClickHouse;
  close(): Promise<void>;
}

/** Below the 3 s after which an older server closes an idle connection: a socket closed under an insert leaves its outcome unknown. */
const idleSocketMs = 2_000;
const defaultTimeoutMs = minutes(1);

/** Opens nothing yet: connections are made when they are needed. */
export function createClickHouse(options: ClickHouseOptions): ClickHouse {
  const { url, user = "default", password = "", database = "default" } = options;
  const client = createClient({
    url,
    username: user,
    password,
    database,
    application: "headrace",
    // Each call has its own time limit; this one only stands behind them.
    request_timeout: minutes(60),
    compression: { request: false, response: false },
    keep_alive: { enabled: true, idle_socket_ttl: idleSocketMs },
    log: { level: ClickHouseLogLevel.OFF },
  });
  let settings: Promise<string> | undefined;
  let closed: Promise<void> | undefined;

  const self: ClickHouse = {
    database,
    run: (sql, call = {}) =>
      limited(call, call.what ?? describeSql(sql), async (abort_signal) => {
        await client.command({ query: sql, abort_signal, ...(call.params && { query_params: { ...call.params } }) });
      }),
    query: <Row>(sql: string, call: CallOptions = {}) =>
      limited(call, call.what ?? describeSql(sql), async (abort_signal) => {
        const result = await client.query({
          query: sql,
          format: "JSONEachRow",
          abort_signal,
          ...(call.params && { query_params: { ...call.params } }),
        });
        return await result.json<Row>();
      }),
    insertNative: async (target, block, call = {}) => {
      const clause = await insertSettings();
      const columns = target.columns.map((column) => quoteName(column.name)).join(", ");
      const query = `INSERT INTO ${quoteName(target.name)} (${columns}) SETTINGS ${clause} FORMAT Native`;
      await limited(call, `insert into ${target.name}`, async (abort_signal) => {
        // In objectMode the buffer would be taken for an iterable of bytes; a list of one buffer is one chunk.
        const { stream } = await client.exec({ query, values: Readable.from([block], { objectMode: false }), abort_signal });
        for await (const _ of stream) {
          // An answer left unread would hold its connection.
        }
      });
    },
    using: (other) => createClickHouse({ ...options, database: other }),
    close: () => (closed ??= client.close()),
  };

  /** Shared by all inserts, so it hangs on no caller's signal; after a failure the next insert looks again. */
  function insertSettings(): Promise<string> {
    settings ??= lookUpSettings(self).catch((error: unknown) => {
      settings = undefined;
      throw error;
    });
    return settings;
  }
  return self;
}

/**
 * Settings go into the text of the insert: given beside it, they would stick to a session of the embedded engine.
 * - async_insert is on by default since 26.3, and would confirm in other units than ours.
 * - Server-side deduplication loses rows when it is killed between its log and the part; repeats are harmless to our tables.
 * - Native columns that the table lacks are otherwise skipped in silence.
 * - The block goes in as it is: replacing rows is left to merges and FINAL, and views see every row.
 */
async function lookUpSettings(server: ClickHouse): Promise<string> {
  const known = await server.query<{ name: string }>("SELECT name FROM system.settings WHERE name = 'deduplicate_insert'", {
    timeoutMs: 10_000,
  });
  const deduplication = known.length > 0 ? "deduplicate_insert = 'disable'" : "insert_deduplicate = 0";
  return `async_insert = 0, ${deduplication}, input_format_skip_unknown_fields = 0, optimize_on_insert = 0`;
}

/** Runs a call under its own time limit, and sorts what it throws. An abort by the caller throws the caller's reason. */
async function limited<Result>(
  options: CallOptions,
  where: string,
  call: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { signal, timeoutMs = defaultTimeoutMs } = options;
  signal?.throwIfAborted();
  const limit = new AbortController();
  const onAbort = () => limit.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => limit.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await call(limit.signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw sortError(limit.signal.aborted ? limit.signal.reason : error, where);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

const describeSql = (sql: string): string => {
  const line = sql.replace(/\s+/g, " ").trim();
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`;
};
