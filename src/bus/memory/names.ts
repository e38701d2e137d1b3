import type { NamesCommit } from "../known-names.ts";

/** The names of the events that one pipeline has taken from one partition, in memory. */
export class MemoryNames {
  readonly #pages = new Map<number, { readonly records: Buffer; readonly until: number }>();
  #newest = -1;

  copy(): MemoryNames {
    const copy = new MemoryNames();
    for (const [page, stored] of this.#pages) copy.#pages.set(page, stored);
    copy.#newest = this.#newest;
    return copy;
  }

  write({ page, out, ttlMs, records }: NamesCommit, now: number): void {
    const known = this.#known(page, now);
    this.#pages.set(page, { records: Buffer.concat([known, records]), until: now + ttlMs });
    this.#pages.delete(out);
    this.#newest = Math.max(this.#newest, page);
  }

  read(pages: number, now: number): { readonly newest: number; readonly stored: readonly Buffer[] } {
    const numbers = Array.from({ length: pages }, (_, i) => this.#newest - pages + 1 + i).filter((page) => page >= 0);
    return { newest: this.#newest, stored: numbers.map((page) => this.#known(page, now)) };
  }

  #known(page: number, now: number): Buffer {
    const known = this.#pages.get(page);
    return known && known.until > now ? known.records : Buffer.alloc(0);
  }
}
