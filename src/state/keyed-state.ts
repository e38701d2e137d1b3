import type { Bus, Fence } from "../bus/port.ts";
import { ConfigError, messageOf, RetryableError } from "../core/errors.ts";
import type { States } from "../stages/run.ts";

/** States kept in memory above which committed ones are let go. */
const maxCached = 100_000;

/**
 * The keyed states of one partition and pipeline, as its single owner sees them: Redis holds what is committed, this
 * cache what is newest. It lives no longer than the lease: another owner may have moved the states on.
 */
export class KeyedState {
  readonly #bus: Bus;
  readonly #fence: Fence;
  readonly #cache = new Map<string, unknown>();
  #uncommitted = 0;

  constructor(bus: Bus, fence: Fence) {
    this.#bus = bus;
    this.#fence = fence;
  }

  /** Opens the states for one chunk. Nothing that the chunk sets is seen by others before `accept`. */
  draft(): StateDraft {
    return new StateDraft(this.#cache, (names) => this.#fetch(names));
  }

  /** Makes a chunk's states the newest ones; call `settled` when they are committed. */
  accept(draft: StateDraft): void {
    for (const [name, state] of draft.changed) this.#cache.set(name, state);
    this.#uncommitted++;
  }

  settled(): void {
    this.#uncommitted--;
    // An uncommitted state must stay: Redis still holds the one before.
    if (this.#uncommitted > 0 || this.#cache.size <= maxCached) return;
    for (const name of this.#cache.keys()) {
      if (this.#cache.size <= maxCached / 2) break;
      this.#cache.delete(name);
    }
  }

  async #fetch(names: readonly string[]): Promise<void> {
    const stored = await this.#bus.states(this.#fence, names);
    if (stored === "fenced") {
      const { partition, pipeline } = this.#fence;
      throw new RetryableError("lease.lost", `${partition.name}: another worker owns it for '${pipeline}' by now`);
    }
    names.forEach((name, i) => {
      const json = stored[i];
      this.#cache.set(name, typeof json === "string" ? JSON.parse(json) : undefined);
    });
  }
}

/** The states of one chunk on its way. */
export class StateDraft implements States {
  readonly changed = new Map<string, unknown>();
  readonly #cache: ReadonlyMap<string, unknown>;
  readonly #fetch: (names: readonly string[]) => Promise<void>;

  constructor(cache: ReadonlyMap<string, unknown>, fetch: (names: readonly string[]) => Promise<void>) {
    this.#cache = cache;
    this.#fetch = fetch;
  }

  get(stage: string, key: string): unknown | Promise<unknown> {
    const name = nameOf(stage, key);
    if (this.changed.has(name)) return this.changed.get(name);
    if (this.#cache.has(name)) return this.#cache.get(name);
    return this.#fetch([name]).then(() => this.#cache.get(name));
  }

  set(stage: string, key: string, state: unknown): void {
    this.changed.set(nameOf(stage, key), state);
  }

  /** Fetches what is not in memory, in one call: a round trip a chunk instead of one an event. */
  async prefetch(stage: string, keys: Iterable<string>): Promise<void> {
    const missing = [...new Set(keys)].map((key) => nameOf(stage, key)).filter((name) => !this.#cache.has(name));
    if (missing.length > 0) await this.#fetch(missing);
  }

  /**
   * The changed states as JSON, for the commit.
   * @throws ConfigError where a state is not JSON
   */
  toJson(): ReadonlyMap<string, string> {
    return new Map([...this.changed].map(([name, state]) => [name, jsonOf(name, state)]));
  }
}

function jsonOf(name: string, state: unknown): string {
  try {
    return JSON.stringify(state);
  } catch (error) {
    const [stage, key] = name.split("\n");
    throw new ConfigError(
      "config.invalid",
      `the state that fold '${stage}' keeps for '${key}' is not JSON: ${messageOf(error)}`,
      {
        cause: error,
        hint: "Keep strings, finite numbers, booleans, null, arrays and plain objects.",
      },
    );
  }
}

const nameOf = (stage: string, key: string): string => `${stage}\n${key}`;
