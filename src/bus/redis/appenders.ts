import { silentLogger } from "../../core/log.ts";
import type { Redis, Server } from "../../redis/client.ts";
import type { Reply } from "../../redis/scripts.ts";
import type { Durability } from "../durability.ts";
import { type AppendCall, Appender } from "./appender.ts";

/** The connections that frames are appended over: one for each level, to each server that is appended to. */
export class Appenders {
  readonly #redis: Redis;
  readonly #open = new Map<string, Appender>();

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Runs the script where its keys are; resolves with its reply when that is confirmed. */
  async append(durability: Durability, call: AppendCall): Promise<Reply> {
    const log = call.keys[0];
    try {
      return await this.#at(this.#redis.serverOf(log), durability).append(call);
    } catch (error) {
      // The slot may have moved, or a replica has taken over: only this connection, which is our own, has noticed it.
      this.#redis.lookAgain();
      throw error;
    }
  }

  /** Asks every server for a confirmation of nothing. */
  async check(durability: Durability): Promise<void> {
    await Promise.all(this.#redis.servers().map((server) => this.#at(server, durability).check()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((appender) => appender.close()));
  }

  #at(server: Server, durability: Durability): Appender {
    const name = `${server.address} ${JSON.stringify(durability)}`;
    // It is opened anew by the append that finds it lost; whoever appends tells of it.
    const options = { logger: silentLogger, reconnect: false };
    const appender =
      this.#open.get(name) ??
      new Appender(durability, (timeoutMs) => server.open({ ...options, name: "headrace-append", timeoutMs }));
    this.#open.set(name, appender);
    return appender;
  }
}
