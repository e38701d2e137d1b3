import { linkAbort } from "../../core/linked-abort.ts";
import type { Redis } from "../../redis/client.ts";
import type { Watch } from "../port.ts";
import { Doorbell } from "./doorbell.ts";

/**
 * One doorbell for each slot that somebody waits for: a command that waits keeps its connection, and may name keys of one slot
 * alone, even where two slots are on the same server. A server that stands alone is all one slot, so it has one doorbell.
 */
export class Doorbells {
  readonly #redis: Redis;
  readonly #doorbells = new Map<number, Doorbell>();

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
    await Promise.all([...this.#doorbells.values()].map((doorbell) => doorbell.close()));
  }

  #at(slot: number, [first]: readonly Watch[]): Doorbell {
    const key = first?.partition.log ?? "";
    const find = async () => {
      // A question about the key leads to where its slot is now.
      await this.#redis.send(key, ["EXISTS", key]);
      return this.#redis.serverOf(key);
    };
    const doorbell = this.#doorbells.get(slot) ?? new Doorbell(find);
    this.#doorbells.set(slot, doorbell);
    return doorbell;
  }
}
