import type { Session } from "chdb";
import { type ConcurrencyLimit, concurrencyLimit } from "./concurrency-limit.ts";
import { ClickHouseFault } from "./fault.ts";
import { filesRole } from "./rights.ts";
import { quoteName, quoteString } from "./statement.ts";

/** What belongs to one statement alone, and must never be seen by another. */
export interface StatementContext {
  readonly database: string | undefined;
  readonly settings: ReadonlyMap<string, string>;
  /** Query parameters, in the escaped text form of the HTTP interface. */
  readonly parameters: ReadonlyMap<string, string>;
  /** It reads or writes files of the archive. */
  readonly files: boolean;
  /** The statement itself leaves something behind in the connection (SET, USE, temporary tables). */
  readonly marksConnection: boolean;
}

/** A connection of the engine, held by one statement at a time. */
interface EngineConnection {
  readonly session: Session;
  /** Parameters cannot be unset: what former statements have left here. */
  readonly leftParameters: Set<string>;
  /** It has the right to files, as every new one. */
  files: boolean;
}

export interface EngineOptions {
  readonly dir: string;
  /** Names the engine's configuration; see `configureEngine`. */
  readonly config: string;
  /** SELECTs and SHOWs at a time. */
  readonly readers?: number;
  /** INSERTs and all else at a time; a limit of their own, so that slow SELECTs do not hold inserts up. */
  readonly writers?: number;
}

const settingName = /^[A-Za-z_][\w.]*$/;
/** A connection that has collected so many parameter names is replaced. */
const maxLeftParameters = 200;

/**
 * ClickHouse's engine in this process, one statement a connection, several connections on one data directory.
 * Settings, parameters and the database are set on the connection before the statement and put back after it; a
 * connection that cannot be put back is thrown away (opening one takes less than a millisecond).
 */
export class Engine {
  readonly #open: () => Session;
  readonly #limits: Readonly<Record<"read" | "write", ConcurrencyLimit>>;
  readonly #idle: EngineConnection[] = [];
  /** Keeps the engine up while no statement runs. */
  readonly #anchor: Session;
  /** The engine's own deviations from ClickHouse's defaults, which DEFAULT would undo. */
  readonly #baseSettings = new Map<string, string>();
  #closed = false;
  /** All that it has, in small letters. */
  tableFunctions: ReadonlySet<string> = new Set();

  private constructor(open: () => Session, options: EngineOptions) {
    this.#open = open;
    this.#anchor = open();
    this.#limits = { read: concurrencyLimit(options.readers ?? 6), write: concurrencyLimit(options.writers ?? 4) };
  }

  /** Rejects when the engine cannot be loaded, or the directory is held by another process. */
  static async start(options: EngineOptions): Promise<Engine> {
    const { Session } = await import("chdb");
    // `implicit_select` makes `1 + 1` a statement; the server has it off, and errors differ with it.
    const engine = new Engine(
      () => new Session(options.dir, { connectionArgs: ["--implicit_select=0", options.config] }),
      options,
    );
    const changed = await engine.#anchor.queryAsync("SELECT name, value FROM system.settings WHERE changed", {
      format: "JSONEachRow",
    });
    for (const line of changed.text().split("\n").filter(Boolean)) {
      const { name, value }: { readonly name: string; readonly value: string } = JSON.parse(line);
      engine.#baseSettings.set(name, value);
    }
    engine.tableFunctions = new Set(await engine.#names("SELECT name FROM system.table_functions"));
    return engine;
  }

  async #names(sql: string): Promise<readonly string[]> {
    const result = await this.#anchor.queryAsync(sql, { format: "TabSeparated" });
    return result.text().toLowerCase().split("\n").filter(Boolean);
  }

  /** Runs `use` on a connection of its own, prepared for this statement. */
  async with<T>(
    kind: "read" | "write",
    context: StatementContext,
    sql: string,
    use: (session: Session) => Promise<T>,
  ): Promise<T> {
    const leave = await this.#limits[kind].enter();
    try {
      if (this.#closed) throw new ClickHouseFault(236, "ABORTED", "the server is stopping");
      const connection = this.#take(context, sql);
      let clean = false;
      try {
        await this.#prepare(connection, context);
        return await use(connection.session);
      } finally {
        clean = !context.marksConnection && (await this.#restore(connection, context));
        if (clean && !this.#closed) this.#idle.push(connection);
        else connection.session.close();
      }
    } finally {
      leave();
    }
  }

  /** The engine's version, such as 26.7.2.1. */
  async version(): Promise<string> {
    return (await this.#anchor.queryAsync("SELECT version()", { format: "TabSeparated" })).text().trim();
  }

  /** Closes every connection once the statements that run have ended. May be called twice. */
  close(): void {
    this.#closed = true;
    for (const { session } of this.#idle.splice(0)) session.close();
    this.#anchor.close();
  }

  #take(context: StatementContext, sql: string): EngineConnection {
    const connection = this.#idle.pop();
    if (connection === undefined) return { session: this.#open(), leftParameters: new Set(), files: true };
    if (!seesForeignParameter(connection, context, sql) && connection.leftParameters.size < maxLeftParameters) return connection;
    connection.session.close();
    return { session: this.#open(), leftParameters: new Set(), files: true };
  }

  async #prepare(connection: EngineConnection, context: StatementContext): Promise<void> {
    const { session, leftParameters } = connection;
    if (connection.files !== context.files) {
      await session.queryAsync(`SET ROLE ${context.files ? filesRole : "NONE"}`);
      connection.files = context.files;
    }
    if (context.database !== undefined) await session.queryAsync(`USE ${quoteName(context.database)}`);
    const pairs: string[] = [];
    for (const [name, value] of context.settings) {
      if (!settingName.test(name)) throw new ClickHouseFault(115, "UNKNOWN_SETTING", `Unknown setting '${name}'.`);
      pairs.push(`${name} = ${quoteString(value)}`);
    }
    for (const [name, value] of context.parameters) {
      if (!settingName.test(name))
        throw new ClickHouseFault(36, "BAD_ARGUMENTS", `'${name}' is not the name of a query parameter.`);
      leftParameters.add(name);
      pairs.push(`param_${name} = ${quoteString(value)}`);
    }
    if (pairs.length > 0) await session.queryAsync(`SET ${pairs.join(", ")}`);
  }

  /** Whether the connection is as new. */
  async #restore({ session }: EngineConnection, context: StatementContext): Promise<boolean> {
    try {
      if (context.database !== undefined) await session.queryAsync("USE default");
      const names = [...context.settings.keys()].filter((name) => settingName.test(name));
      if (names.length === 0) return true;
      const back = names.map((name) => `${name} = ${this.#defaultOf(name)}`);
      await session.queryAsync(`SET ${back.join(", ")}`);
      return true;
    } catch {
      return false;
    }
  }

  #defaultOf(name: string): string {
    const base = this.#baseSettings.get(name);
    return base === undefined ? "DEFAULT" : quoteString(base);
  }
}

/** A forgotten parameter must be an error, not the value that somebody else's statement had. */
function seesForeignParameter(connection: EngineConnection, context: StatementContext, sql: string): boolean {
  if (connection.leftParameters.size === 0 || !sql.includes("{")) return false;
  for (const name of connection.leftParameters) {
    if (!context.parameters.has(name) && new RegExp(`\\{\\s*${name}\\s*:`).test(sql)) return true;
  }
  return false;
}
