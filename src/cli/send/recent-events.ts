import type { Envelope } from "../../bus/envelope.ts";
import { xxhash64 } from "../../core/hash.ts";

/** What a run remembers at least; twice as many at most. Of an event that is forgotten a second copy is sent, and changes nothing. */
const remembered = 100_000;

/** The last events of a run: one that comes again with all that it says need not be sent twice. */
export class RecentEvents {
  // Two halves, of which the older is dropped whole: to look for the oldest of a Set takes longer the more were taken out of it.
  #young = new Set<bigint>();
  #old: ReadonlySet<bigint> = new Set();

  /** @throws TypeError where the data hold what JSON cannot say */
  isNew({ id, type, time, source, data }: Envelope): boolean {
    const key = xxhash64(JSON.stringify([id, type, time, source, data]));
    if (this.#young.has(key) || this.#old.has(key)) return false;
    this.#young.add(key);
    if (this.#young.size === remembered) {
      this.#old = this.#young;
      this.#young = new Set();
    }
    return true;
  }
}
