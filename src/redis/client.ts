import type { Connection, ConnectOptions } from "./connection.ts";

export type Args = readonly (string | Buffer)[];

/**
 * Sends commands. All keys that are named together lie in the slot of `key`, so that one server can carry them out. What a command answers is
 * said where it is sent: texts are Buffers.
 */
export interface Commands {
  send<Answer = unknown>(key: string, args: Args): Promise<Answer>;
  /** Writes commands in one go, as a transaction wants them, and resolves with their answers. */
  sendAll(key: string, commands: readonly Args[]): Promise<readonly unknown[]>;
}

/** One Redis server, or a cluster of them. */
export interface Redis extends Commands {
  /** The slot of a key: keys of one slot may be named together in one command. A server that stands alone is all one slot. */
  slotOf(key: string): number;
  /** The server that holds a key, as far as is known: `send` learns of it when a slot has moved. */
  serverOf(key: string): Server;
  /** Finds out soon who holds what: a server was met that does not answer, or no longer holds a key. */
  lookAgain(): void;
  /** Every server that holds keys. */
  servers(): readonly Server[];
  /** Lets commands that are under way end. May be called twice. */
  close(): Promise<void>;
}

/** One server, for what concerns it and not a key. */
export interface Server {
  /** `host:port` */
  readonly address: string;
  send<Answer = unknown>(args: Args): Promise<Answer>;
  /** Opens another connection to it, for what keeps a connection waiting. It is the caller's to close. */
  open(options: Omit<ConnectOptions, "url" | "logger"> & Partial<Pick<ConnectOptions, "logger">>): Promise<Connection>;
}
