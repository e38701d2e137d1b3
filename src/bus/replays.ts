import type { Partition } from "./partition.ts";

/** Which dead letter is meant. */
export interface LetterKey {
  readonly id: string;
  readonly pipeline: string;
}

export type LetterMoved =
  | { readonly kind: "moved"; readonly events: number }
  /** There is no such dead letter, or no more. */
  | { readonly kind: "gone" }
  /** Nothing was kept of it that could be read again; it stays where it is. */
  | { readonly kind: "empty" };

export interface RereadRequest {
  /** From this entry on, or only behind it. */
  readonly from: { readonly id: string; readonly inclusive: boolean };
  /** The last entry to read. */
  readonly until: string;
  /** Entries at most. */
  readonly count: number;
  /** Counts them, and copies nothing. */
  readonly dryRun: boolean;
}

export interface Reread {
  readonly entries: number;
  readonly events: number;
  /** The last entry that was copied or counted: the next page begins behind it. `undefined`: there was none. */
  readonly last: string | undefined;
}

/** What a bus can do for events that shall be read once more. Each call is one step: done as a whole, or not at all. */
export interface Replays {
  /** Moves a dead letter to the replay log of its pipeline; counted in the ledger as `replayed`. Doing it again does nothing. */
  replayDeadLetter(partition: Partition, letter: LetterKey): Promise<LetterMoved>;
  /** Removes a dead letter for good; counted in the ledger as `discarded`. */
  discardDeadLetter(partition: Partition, letter: LetterKey): Promise<"discarded" | "gone">;
  /** Copies entries of the partition's log to the pipeline's replay log, in order; counted in the ledger as `reread`. */
  reread(partition: Partition, pipeline: string, request: RereadRequest): Promise<Reread>;
  /** Entries of the pipeline's replay log that are not acked, read or not: what is acked has left it. */
  replayBacklog(partition: Partition, pipeline: string): Promise<number>;
}
