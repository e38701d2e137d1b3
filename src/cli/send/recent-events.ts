import type { Envelope } from "../../bus/envelope.ts";
import { xxhash64 } from "../../core/hash.ts";

/** A bound on what a run remembers. Of an event that is forgotten a second copy is sent, and changes nothing. */
const maxRemembered = 100_000;

/** The last events of a run: one that comes again with all that it says need not be sent twice. */
export class RecentEvents {
  readonly #seen = new Set<bigint>();

  /** @throws TypeError where the data hold what JSON cannot say */
  isNew({ id, type, time, source, data }: Envelope): boolean {
    const key = xxhash64(JSON.stringify([id, type, time, source, data]));
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (this.#seen.size > maxRemembered) {
      const [oldest] = this.#seen;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    return true;
  }
}
