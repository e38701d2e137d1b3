import type { Entry, OwnerCounts } from "../../bus/port.ts";

/** One read that brought something new. */
interface ReadRange {
  readonly first: string;
  readonly last: string;
  /** Events of each entry. */
  readonly events: readonly number[];
}

/** Reads that are remembered, to tell what of them is gone: those of some seconds at full speed. */
const maxRemembered = 10_000;

/**
 * What Redis has told the owner of a partition: how many commits it has made, and what reads have brought. Where Redis knows of fewer, it
 * has gone back to an earlier state, and what the owner has in memory is ahead of it.
 */
export class OwnerHistory {
  #commits = 0;
  #reads = 0;
  /** The newest reads, the last one last. */
  #ranges: (ReadRange | undefined)[] = [];

  get known(): OwnerCounts {
    return { commits: this.#commits, reads: this.#reads };
  }

  /** The next commit was made. */
  noteCommit(): void {
    this.#commits++;
  }

  /** An answer says that so many reads have brought something new. `entries`: what the last of them has brought, of the main log. */
  noteRead(reads: number, entries: readonly Entry[]): void {
    if (reads <= this.#reads) return;
    // Reads whose answers were lost have a place here too, unless they are more than are remembered, whoever has counted them.
    const missed = Math.min(reads - this.#reads - 1, maxRemembered);
    for (let read = 0; read < missed; read++) this.#ranges.push(undefined);
    this.#reads = reads;
    this.#ranges.push(rangeOf(entries));
    if (this.#ranges.length > 2 * maxRemembered) this.#ranges = this.#ranges.slice(-maxRemembered);
  }

  /** What those reads of the main log have brought that Redis no longer knows of, as far as it is remembered. */
  lost(left: OwnerCounts): readonly ReadRange[] {
    const reads = Math.max(0, this.#reads - left.reads);
    return reads === 0 ? [] : this.#ranges.slice(-reads).filter((given) => given !== undefined);
  }
}

function rangeOf(entries: readonly Entry[]): ReadRange | undefined {
  const [first, last] = [entries[0], entries.at(-1)];
  if (!first || !last) return undefined;
  const isPlain = entries.every(({ events }) => events === 1);
  return {
    first: first.id,
    last: last.id,
    events: isPlain ? new Array(entries.length).fill(1) : entries.map(({ events }) => events),
  };
}
