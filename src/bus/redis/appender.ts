import { ConfigError, RetryableError } from "../../core/errors.ts";
import type { Commands } from "../../redis/client.ts";
import type { Connection } from "../../redis/connection.ts";
import type { Reply, ScriptCall } from "../../redis/scripts.ts";
import type { Durability } from "../durability.ts";
import { appendFailure } from "./append-failure.ts";
import { type Confirm, confirmation } from "./confirm.ts";
import { runScript } from "./scripts.ts";

const defaultTimeoutMs = 5_000;
/** How much longer than the server's own time-out we wait, since its answer says more, milliseconds. */
const graceMs = 1_000;

export interface AppendCall extends ScriptCall {
  /** `relay`: for a frame of an outbox. @default "append" */
  readonly script?: "append" | "relay";
}

interface Link {
  readonly connection: Connection;
  readonly confirm: Confirm | undefined;
  /** The confirmation that is next: it has not begun, so it covers every write that was answered. */
  next: Promise<void> | undefined;
  current: Promise<void>;
  /** Calls under way. */
  calls: number;
  watchdog: NodeJS.Timeout | undefined;
  isSilent: boolean;
}

/**
 * Appends at one level, over a connection of its own: WAIT and WAITAOF concern the writes of the connection that asks, and
 * keep it waiting. Appends that come meanwhile share the next confirmation. A connection that has fallen silent (its host has
 * vanished, the server is stopped) is thrown away, and the next append opens another one.
 */
export class Appender {
  readonly #durability: Durability;
  readonly #open: (timeoutMs: number) => Promise<Connection>;
  readonly #timeoutMs: number;
  #link: Promise<Link> | undefined;
  #closed = false;

  constructor(durability: Durability, open: (timeoutMs: number) => Promise<Connection>) {
    this.#durability = durability;
    this.#open = open;
    this.#timeoutMs = durability.timeoutMs ?? defaultTimeoutMs;
  }

  /** Runs the script; resolves with its reply when that is confirmed. */
  async append({ script = "append", ...call }: AppendCall): Promise<Reply> {
    return this.#using(async (link) => {
      const reply = await runScript(commandsOf(link.connection), script, call);
      link.watchdog?.refresh();
      await this.#confirmed(link);
      return reply;
    });
  }

  /** Asks for a confirmation of nothing: it comes at once where the server can give one. */
  async check(): Promise<void> {
    await this.#using((link) => this.#confirmed(link));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const link = await this.#link?.catch(() => undefined);
    link?.connection.destroy();
  }

  async #using<Result>(work: (link: Link) => Promise<Result>): Promise<Result> {
    let link: Link | undefined;
    try {
      link = await this.#ready();
      if (link.calls++ === 0) this.#watch(link);
      return await work(link);
    } catch (error) {
      if (link?.isSilent) {
        throw new RetryableError("service.unreachable", `Redis has not answered for ${this.#silentAfterMs} ms`, { cause: error });
      }
      throw appendFailure(error);
    } finally {
      if (link) {
        // Every answer shows that the connection is alive, also for those that wait behind it.
        link.watchdog?.refresh();
        if (--link.calls === 0) clearTimeout(link.watchdog);
      }
    }
  }

  async #ready(): Promise<Link> {
    for (;;) {
      if (this.#closed) throw new ConfigError("usage", "the bus is closed", { hint: "Close it after those that append." });
      this.#link ??= this.#openLink();
      const opening = this.#link;
      try {
        const link = await opening;
        if (link.connection.isReady) return link;
        if (this.#link === opening) this.#link = undefined;
      } catch (error) {
        if (this.#link === opening) this.#link = undefined;
        throw error;
      }
    }
  }

  async #openLink(): Promise<Link> {
    const connection = await this.#open(this.#timeoutMs);
    // Until it is known how this server confirms, nobody else would notice that it has fallen silent.
    const watchdog = setTimeout(() => connection.destroy(), this.#silentAfterMs);
    try {
      const confirm = await confirmation(connection, this.#durability, this.#timeoutMs);
      return {
        connection,
        confirm,
        next: undefined,
        current: Promise.resolve(),
        calls: 0,
        watchdog: undefined,
        isSilent: false,
      };
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      clearTimeout(watchdog);
    }
  }

  #watch(link: Link): void {
    link.watchdog = setTimeout(() => {
      link.isSilent = true;
      link.connection.destroy();
    }, this.#silentAfterMs);
  }

  #confirmed(link: Link): Promise<void> {
    const { confirm } = link;
    if (!confirm) return Promise.resolve();
    link.next ??= link.current
      .catch(() => {})
      // The answers that came in one piece of the socket share one confirmation.
      .then(() => new Promise((resolve) => setImmediate(resolve)))
      .then(() => {
        link.current = link.next as Promise<void>;
        link.next = undefined;
        return confirm();
      });
    return link.next;
  }

  get #silentAfterMs(): number {
    return this.#timeoutMs + graceMs;
  }
}

const commandsOf = (connection: Connection): Commands => ({
  send: (_, args) => connection.sendCommand(args),
  sendAll: (_, commands) => Promise.all(commands.map((args) => connection.sendCommand(args))),
});
