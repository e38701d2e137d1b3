import type { Fence } from "../../bus/port.ts";

/** A batch whose entries are not committed. */
export interface Pending {
  readonly fence: Fence;
  /** None once it is committed. */
  entries: readonly string[];
  readonly last: string | undefined;
  /** How long the stages took for it, milliseconds. */
  readonly tookMs: number;
}

/** How far a partition is settled: the batches of each of its logs, oldest first, from the oldest that is not committed on. */
export class Checkpoint {
  readonly #main: Pending[] = [];
  readonly #replay: Pending[] = [];

  begin(fence: Fence, entries: readonly string[], tookMs: number): Pending {
    const pending: Pending = { fence, entries, last: entries.at(-1), tookMs };
    // Timers that fire by themselves settle nothing.
    if (entries.length > 0) this.#of(pending).push(pending);
    return pending;
  }

  /** The last entry of the main log up to which everything is settled without a gap, once these batches are too. */
  after(committed: readonly Pending[]): string | undefined {
    let checkpoint: string | undefined;
    for (const one of this.#main) {
      if (one.entries.length > 0 && !committed.includes(one)) break;
      checkpoint = one.last;
    }
    return checkpoint;
  }

  settle(pending: Pending): void {
    pending.entries = [];
    const batches = this.#of(pending);
    while (batches[0]?.entries.length === 0) batches.shift();
  }

  get unsettled(): readonly Pending[] {
    return [...this.#main, ...this.#replay].filter(({ entries }) => entries.length > 0);
  }

  #of({ fence: { partition } }: Pending): Pending[] {
    return partition.side === "main" ? this.#main : this.#replay;
  }
}
