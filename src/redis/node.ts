import type { RetryableError } from "../core/errors.ts";
import { hostInUrl } from "../core/host-in-url.ts";
import type { Args, Server } from "./client.ts";
import { type Connection, type ConnectOptions, connect } from "./connection.ts";
import { connectionClosed } from "./failure.ts";

/** A server is looked at this often while it owes us an answer, milliseconds. After three looks without one it is taken for gone. */
const lookMs = 2_500;
const looks = 3;

/**
 * One server, over a connection that is opened when it is needed, and anew when the server has fallen silent (its host has
 * vanished, it is stopped): nobody would hear otherwise that another one has taken its place.
 */
export class Node implements Server {
  readonly options: ConnectOptions;
  readonly #watchdog: ReturnType<typeof setInterval>;
  #connection: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  #abandon: ((error: RetryableError) => void) | undefined;
  #calls = 0;
  #silent = 0;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  constructor(options: ConnectOptions, connection?: Connection) {
    this.options = options;
    this.#connection = connection;
    this.#watchdog = setInterval(() => this.#look(), lookMs);
    this.#watchdog.unref();
  }

  get address(): string {
    const { hostname, port } = new URL(this.options.url);
    return `${hostname.replace(/^\[|\]$/g, "")}:${port || 6379}`;
  }

  /** Another server that is reached in the same way: as the same user, over the same kind of connection. */
  at(address: string): Node {
    const url = new URL(this.options.url);
    const colon = address.lastIndexOf(":");
    const host = address.slice(0, colon);
    url.hostname = hostInUrl(host);
    url.port = address.slice(colon + 1);
    return new Node({ ...this.options, url: url.href });
  }

  /** Fails at once while the server is away, and in time when it does not answer. */
  send<Answer = unknown>(args: Args): Promise<Answer> {
    return this.#using((connection) => connection.sendCommand<Answer>(args));
  }

  /** Writes commands in one go, with nothing in between. */
  sendAll(commands: readonly Args[]): Promise<readonly unknown[]> {
    return this.#using((connection) => Promise.all(commands.map((args) => connection.sendCommand(args))));
  }

  open(options: Parameters<Server["open"]>[0]): Promise<Connection> {
    return connect({ ...this.options, ...options });
  }

  /** Lets calls that were sent end, and fails those that still wait for the connection. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #using<Answer>(call: (connection: Connection) => Promise<Answer>): Promise<Answer> {
    if (this.#closing) throw connectionClosed();
    this.#calls++;
    try {
      return await call(this.#connection?.isOpen ? this.#connection : await this.#reopened());
    } finally {
      this.#silent = 0;
      if (--this.#calls === 0) this.#drained?.();
    }
  }

  #reopened(): Promise<Connection> {
    this.#opening ??= new Promise<Connection>((resolve, reject) => {
      this.#abandon = reject;
      connect(this.options).then((connection) => {
        if (this.#closing) return connection.destroy();
        this.#connection = connection;
        resolve(connection);
      }, reject);
    }).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Several looks, and not one long time-out: after a pause of this process itself, what was answered meanwhile is read between two. */
  #look(): void {
    if (this.#calls === 0) this.#silent = 0;
    else if (++this.#silent >= looks && this.#connection?.isOpen) this.#connection.destroy();
  }

  async #close(): Promise<void> {
    this.#abandon?.(connectionClosed());
    if (this.#calls > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    clearInterval(this.#watchdog);
    if (this.#connection?.isOpen) this.#connection.destroy();
  }
}
