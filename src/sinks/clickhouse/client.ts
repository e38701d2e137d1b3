import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { rootCertificates } from "node:tls";
import { type ClickHouseClientConfigOptions, ClickHouseLogLevel, createClient } from "@clickhouse/client";
import { minutes } from "../../core/duration.ts";
import { ConfigError } from "../../core/errors.ts";
import { parseExactJson } from "../../core/exact-json.ts";
import { linkAbort } from "../../core/linked-abort.ts";
import { type AddressForm, decoded, placeOf, readAddress } from "../../core/service-address.ts";
import type { Tls } from "../../core/tls.ts";
import { sortError } from "./errors.ts";
import { quoteName } from "./quote.ts";

/** Where a ClickHouse is, and how it is reached. */
export interface ClickHouseAddress {
  /** `http://host:8123`, for a server as for the embedded engine. User, password and database may stand in it. */
  readonly url: string;
  /** @default that of the address, else "default" */
  readonly user?: string;
  /** @default that of the address, else "" */
  readonly password?: string;
  /** @default that of the address, else "default" */
  readonly database?: string;
  /** For `https://` alone. @default the authorities of Node, no certificate */
  readonly tls?: Tls | undefined;
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
  /** Its host and port, for people. */
  readonly place: string;
  /** Runs a statement that returns no rows. */
  run(sql: string, options?: CallOptions): Promise<void>;
  /** Runs a SELECT without a FORMAT clause. 64-bit integers come as numbers or as texts, as the server is set: read them with Number or BigInt. */
  query<Row>(sql: string, options?: CallOptions): Promise<readonly Row[]>;
  /**
   * The same, and all numbers have all their digits, as `parseExactJson` reads them; what JSON has no number for is a text: `"inf"`,
   * `"-inf"`, `"nan"`.
   */
  queryExact(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Inserts one block in the Native format. When it resolves, the rows are in the table and its views have seen them. */
  insertNative(target: InsertTarget, block: Buffer, options?: CallOptions): Promise<void>;
  /** The clock of the server, milliseconds since the epoch. */
  time(): Promise<number>;
  /** The same server with another current database. */
  using(database: string): ClickHouse;
  close(): Promise<void>;
}

/** Below the 3 s after which an older server closes an idle connection: a socket closed under an insert leaves its outcome unknown. */
const idleSocketMs = 2_000;
const defaultTimeoutMs = minutes(1);
/** Numbers as JSON's own, where it has them. */
const exactNumbers = [
  "output_format_json_quote_denormals = 1",
  "output_format_json_quote_64bit_integers = 0",
  "output_format_json_quote_decimals = 0",
].join(", ");

const form: AddressForm = {
  service: "ClickHouse",
  schemes: ["http", "https"],
  path: /^\/?[^/]*$/,
  hint: "CLICKHOUSE_URL looks like http://host:8123 or https://user:password@host:8443/database.",
};

/**
 * Opens nothing yet: connections are made when they are needed.
 *
 * @throws ConfigError `config.environment` when the address cannot be read
 */
export function createClickHouse(options: ClickHouseAddress): ClickHouse {
  const address = readAddress(options.url, form);
  // The client would let what the address holds win over what it is given.
  const [inUser, inPassword, inDatabase] = [address.username, address.password, address.pathname.slice(1)].map(decoded);
  const { user = inUser || "default", password = inPassword || "", database = inDatabase || "default" } = options;
  if (options.tls && address.protocol !== "https:") {
    throw new ConfigError("config.environment", "a certificate is given for ClickHouse, and its address is not one of TLS", {
      hint: "Write https:// in CLICKHOUSE_URL, or unset CLICKHOUSE_TLS_CA_FILE, CLICKHOUSE_TLS_CERT_FILE and CLICKHOUSE_TLS_KEY_FILE.",
    });
  }
  const client = open(address, {
    ...(options.tls && { tls: tlsOf(options.tls) }),
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
    place: placeOf(address, address.protocol === "https:" ? 443 : 80),
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
    queryExact: (sql) =>
      limited({}, describeSql(sql), async (abort_signal) => {
        // On a line of its own: the statement may end with a comment. Behind FORMAT it may have settings of its own.
        const query = `${sql}\nFORMAT JSONEachRow SETTINGS ${exactNumbers}`;
        const { stream } = await client.exec({ query, abort_signal });
        const lines = (await text(stream)).split("\n").filter((line) => line !== "");
        // A failure behind the first rows comes in the midst of them, and is no row.
        for (const line of lines) if (!line.startsWith("{") || !line.endsWith("}")) throw new Error(lines.slice(-3).join(" "));
        return lines.map((line) => parseExactJson(line) as Readonly<Record<string, unknown>>);
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
    async time() {
      const [row] = await self.query<{ readonly now: number | string }>("SELECT toUnixTimestamp64Milli(now64(3)) AS now");
      return Number(row?.now);
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

/** The client wants to be told of authorities always, and of certificates as bytes. */
function tlsOf({ ca = rootCertificates.join("\n"), cert, key }: Tls) {
  const ca_cert = Buffer.from(ca);
  return cert !== undefined && key !== undefined ? { ca_cert, cert: Buffer.from(cert), key: Buffer.from(key) } : { ca_cert };
}

/** @throws ConfigError where the address asks for what the client does not know; it says what, and that may be part of a password. */
function open({ origin, search }: URL, options: ClickHouseClientConfigOptions) {
  try {
    return createClient({ ...options, url: `${origin}/${search}` });
  } catch {
    throw new ConfigError(
      "config.environment",
      "the address of ClickHouse cannot be read: the client knows no option that stands behind its '?'",
      {
        hint: form.hint,
      },
    );
  }
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
  const limit = linkAbort(signal);
  const timer = setTimeout(() => limit.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await call(limit.signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw sortError(limit.signal.aborted ? limit.signal.reason : error, where);
  } finally {
    clearTimeout(timer);
    limit.unlink();
  }
}

const describeSql = (sql: string): string => {
  const line = sql.replace(/\s+/g, " ").trim();
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`;
};
