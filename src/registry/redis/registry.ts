import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/log.ts";
import type { Redis } from "../../redis/client.ts";
import type { Connection, RedisAddress } from "../../redis/connection.ts";
import { answerOf } from "../../redis/failure.ts";
import { openRedis } from "../../redis/open-redis.ts";
import { loadScripts, type Reply } from "../../redis/scripts.ts";
import { byAge, type Facts, type Instance, type Load, type Registry, type RegistryView } from "../port.ts";
import { readInstance } from "../record.ts";
import { watchLive } from "../watch.ts";

const scripts = loadScripts(new URL("./", import.meta.url), ["announce", "withdraw", "live"]);
/** One hash tag: every script finds its keys in one slot of a Redis Cluster. */
const keys = ["hr:{registry}:until", "hr:{registry}:facts", "hr:{registry}:load", "hr:{registry}:ttl"] as const;
/** Channels know no databases: a message from another database only makes us look. */
const channel = "hr:{registry}:changed";
/** An answer that has not come by then never will: the socket is half open. */
const answerWithinMs = 5_000;

export interface RedisRegistryOptions extends RedisAddress {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Opens the registry on Redis: one connection for calls, and one for pushes once something is watched. */
export async function openRedisRegistry(options: RedisRegistryOptions): Promise<Registry> {
  return new RedisRegistry(options, await openRedis({ ...options, name: "headrace-registry" }));
}

class RedisRegistry implements Registry {
  readonly #clock: Clock;
  readonly #redis: Redis;
  readonly #listeners = new Set<() => void>();
  #pushes: Promise<Connection | undefined> | undefined;
  #closed = false;

  constructor({ clock }: RedisRegistryOptions, redis: Redis) {
    this.#clock = clock;
    this.#redis = redis;
  }

  async announce({ cpu, rssBytes, ...facts }: Facts & Load, ttlMs: number): Promise<void> {
    await this.#run("announce", [facts.instance, JSON.stringify(facts), JSON.stringify({ cpu, rssBytes }), ttlMs, channel]);
  }

  async withdraw(instance: string): Promise<void> {
    await this.#run("withdraw", [instance, channel]);
  }

  async live(): Promise<readonly Instance[]> {
    const reply = await this.#run<readonly (Buffer | number)[]>("live", []);
    const instances: Instance[] = [];
    for (let i = 0; i + 2 < reply.length; i += 3) {
      const [facts, load, leftMs] = reply.slice(i, i + 3);
      const instance = readInstance(String(facts), String(load), Number(leftMs));
      if (instance) instances.push(instance);
    }
    return instances.sort(byAge);
  }

  watch(seen: (view: RegistryView) => void, stop: AbortSignal): Promise<void> {
    const onPush = (pushed: () => void) => {
      this.#listeners.add(pushed);
      return () => this.#listeners.delete(pushed);
    };
    const live = () => {
      this.#pushes ??= this.#subscribe();
      return this.live();
    };
    return watchLive({ live }, seen, { clock: this.#clock, onPush, stop });
  }

  async close(): Promise<void> {
    this.#closed = true;
    // Neither is awaited: on a server that hangs, opening and answering may take long.
    void this.#redis.close();
    void this.#pushes?.then((connection) => connection?.isOpen && connection.destroy());
  }

  /**
   * A subscriber can do nothing else, so it has a connection of its own. When that breaks, the next look subscribes again: at the
   * server that has the registry then. In a cluster each server hears of what is published on another.
   */
  async #subscribe(): Promise<Connection | undefined> {
    let connection: Connection | undefined;
    const hangUp = () => {
      if (connection?.isOpen) connection.destroy();
      this.#pushes = undefined;
    };
    try {
      connection = await this.#redis.serverOf(channel).open({ name: "headrace-registry-push" });
      connection.on("error", hangUp);
      await connection.subscribe(channel, () => {
        for (const listener of this.#listeners) listener();
      });
      if (this.#closed) connection.destroy();
      return connection;
    } catch {
      hangUp();
      return undefined;
    }
  }

  async #run<Answer = Reply>(name: Parameters<typeof scripts.run>[1], args: readonly (string | number)[]): Promise<Answer> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${answerWithinMs / 1_000} s`)), answerWithinMs);
    });
    try {
      return await answerOf(Promise.race([scripts.run<Answer>(this.#redis, name, { keys, args }), late]));
    } finally {
      clearTimeout(timer);
    }
  }
}
