/**
 * A map that remembers at least the last `limit` keys that were asked for or set, and at most twice as many. It forgets half of them at
 * once: to look for the oldest key of a Map each time takes longer the more were taken out of it.
 */
export class Recent<V> {
  readonly #limit: number;
  #young = new Map<string, V>();
  #old: ReadonlyMap<string, V> = new Map();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string): V | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const older = this.#old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: V): void {
    this.#young.set(key, value);
    if (this.#young.size < this.#limit) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
  }
}
