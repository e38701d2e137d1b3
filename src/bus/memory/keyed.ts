import type { IdSet, KeyedCommit, StoredTimer, TimerPlace } from "../keyed-store.ts";
import { unpackStates } from "../packed-states.ts";

/** The keyed states of one pipeline on one partition, in memory. */
export class MemoryKeyed {
  readonly #states = new Map<string, string>();
  readonly #timers = new Map<string, Map<string, number>>();
  readonly #seen = new Map<string, { readonly ids: Set<string>; until: number }>();
  copy(): MemoryKeyed {
    const copy = new MemoryKeyed();
    for (const [name, json] of this.#states) copy.#states.set(name, json);
    for (const [name, queue] of this.#timers) copy.#timers.set(name, new Map(queue));
    for (const [set, { ids, until }] of this.#seen) copy.#seen.set(set, { ids: new Set(ids), until });
    return copy;
  }

  write({ states, timers, seen }: KeyedCommit, now: number): void {
    for (const { name, json } of unpackStates(states)) {
      if (json === null) this.#states.delete(name);
      else this.#states.set(name, json);
    }
    for (const { member, at, ...place } of timers) {
      const queue = this.#queue(place);
      if (at === undefined) queue.delete(member);
      else queue.set(member, at);
    }
    for (const { set, ids, ttlMs } of seen) {
      const known = this.#known(set, now) ?? { ids: new Set(), until: 0 };
      for (const id of ids) known.ids.add(id);
      known.until = now + ttlMs;
      this.#seen.set(set, known);
    }
  }

  get states(): ReadonlyMap<string, string> {
    return this.#states;
  }

  state(name: string): string | null {
    return this.#states.get(name) ?? null;
  }

  timers({ from, count, ...place }: TimerPlace & { readonly from: number; readonly count: number }): readonly StoredTimer[] {
    return [...this.#queue(place)]
      .map(([member, at]) => ({ member, at }))
      .filter(({ at }) => at >= from)
      .sort((a, b) => a.at - b.at || (a.member < b.member ? -1 : 1))
      .slice(0, count);
  }

  seen({ set, ids }: IdSet, now: number): readonly boolean[] {
    const known = this.#known(set, now);
    return ids.map((id) => known?.ids.has(id) ?? false);
  }

  #known(set: string, now: number) {
    const known = this.#seen.get(set);
    return known && known.until > now ? known : undefined;
  }

  #queue({ stage, clock }: TimerPlace): Map<string, number> {
    const name = `${clock}\n${stage}`;
    const known = this.#timers.get(name) ?? new Map<string, number>();
    this.#timers.set(name, known);
    return known;
  }
}
