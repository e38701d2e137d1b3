import type { Clock } from "../core/clock.ts";
import { byAge, type Facts, type Instance, type Load, type Registry, type RegistryView } from "./port.ts";
import { watchLive } from "./watch.ts";

interface RegisteredProcess {
  readonly process: Facts & Load;
  readonly ttlMs: number;
  until: number;
}

/** The registry in memory: the twin of the Redis driver, for tests on a virtual clock. All who are to see each other share the object. */
export class MemoryRegistry implements Registry {
  readonly #clock: Clock;
  readonly #entries = new Map<string, RegisteredProcess>();
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async announce(process: Facts & Load, ttlMs: number): Promise<void> {
    this.#entries.set(process.instance, { process: structuredClone(process), ttlMs, until: this.#clock.now() + ttlMs });
    this.#push();
  }

  async withdraw(instance: string): Promise<void> {
    if (this.#entries.delete(instance)) this.#push();
  }

  async live(): Promise<readonly Instance[]> {
    const now = this.#clock.now();
    // The clock may have been put back since: nobody is taken for alive for longer than its TTL.
    for (const entry of this.#entries.values()) entry.until = Math.min(entry.until, now + entry.ttlMs);
    return [...this.#entries.values()]
      .filter(({ until }) => until > now)
      .map(({ process, until }) => ({ ...process, leftMs: until - now }))
      .sort(byAge);
  }

  watch(seen: (view: RegistryView) => void, stop: AbortSignal): Promise<void> {
    return watchLive(this, seen, { clock: this.#clock, onPush: (pushed) => this.onPush(pushed), stop });
  }

  /** Calls back whenever an entry may have changed, until the returned function is called. */
  onPush(pushed: () => void): () => void {
    this.#listeners.add(pushed);
    return () => void this.#listeners.delete(pushed);
  }

  async close(): Promise<void> {}

  #push(): void {
    for (const listener of this.#listeners) listener();
  }
}
