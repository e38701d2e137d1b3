import { linkAbort } from "../../core/linked-abort.ts";
import type { Redis } from "../../redis/client.ts";
import type { Watch } from "../port.ts";
import { LogWatcher } from "./log-watcher.ts";

/**
 * One watcher for each slot that somebody waits for: a command that waits keeps its connection, and may name keys of one slot
 * alone, even where two slots are on the same server. A server that stands alone is all one slot, so it has one watcher.
 */
export class LogWatchers {
  readonly #redis: Redis;
  readonly #watchers = new Map<number, LogWatcher>();

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  async wait(watches: readonly Watch[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    const bySlot = new Map<number, Watch[]>();
    for (const watch of watches) {
      const slot = this.#redis.slotOf(watch.partition.log);
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), watch]);
    }
    const either = linkAbort(signal);
    await Promise.race([...bySlot].map(([slot, together]) => this.#at(slot, together).wait(together, timeoutMs, either.signal)));
    either.abort();
    either.unlink();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#watchers.values()].map((watcher) => watcher.close()));
  }

  #at(slot: number, [first]: readonly Watch[]): LogWatcher {
    const key = first?.partition.log ?? "";
    const find = async () => {
      // A question about the key leads to where its slot is now.
      await this.#redis.send(key, ["EXISTS", key]);
      return this.#redis.serverOf(key);
    };
    const watcher = this.#watchers.get(slot) ?? new LogWatcher(find);
    this.#watchers.set(slot, watcher);
    return watcher;
  }
}
