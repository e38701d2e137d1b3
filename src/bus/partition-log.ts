import type { Fence, OwnerCounts, WentBack } from "./fence.ts";
import type { KeyedCommit, KeyedStore } from "./keyed-store.ts";
import type { NameStore, NamesCommit } from "./known-names.ts";
import type { DerivedFrame, Outboxes } from "./outboxes.ts";
import type { Partition } from "./partition.ts";

/** The one consumer of every group: a partition has one owner at a time, so recovery is "read my pending entries from 0". */
export const consumerName = "owner";

export type Acquired =
  | {
      readonly kind: "owned";
      readonly epoch: number;
      readonly tenure: number;
      /** The newest entry that the group was ever given: where new ones begin. */
      readonly lastDelivered: string;
      /** Fields of the lease's record that nobody could read. They are made anew, and fence whoever had the lease. @default none */
      readonly unreadable?: readonly string[];
    }
  | { readonly kind: "taken"; readonly owner: string; readonly leftMs: number };

/** An entry as it was stored: name, value, name, value … An entry that was trimmed before it was acked has no fields. */
export interface Entry {
  readonly id: string;
  readonly fields: readonly Buffer[] | undefined;
  /** How often it was given out, this time included. */
  readonly deliveries: number;
  /** How many events it was counted for when it was first given out. */
  readonly events: number;
}

/** An entry, whoever was given it. */
export type LogEntry = Pick<Entry, "id"> & { readonly fields: readonly Buffer[] };

/**
 * From its delivery number `suspect` on, a pending entry is a suspect: processing it may have crashed its readers. Suspects are given out
 * in ever smaller groups, and only to a reader that processes nothing else meanwhile; at delivery number `last` an entry is alone. After
 * that it is set aside.
 */
export const deliveryLimits = { suspect: 3, last: 6 } as const;

/** How many suspects may be given out together, where the one that was given out most often now comes for the n-th time. */
export const suspectsTogether = (group: number, deliveries: number): number =>
  deliveries >= deliveryLimits.last ? 1 : Math.max(1, Math.floor(group / 8 ** (deliveries - deliveryLimits.suspect)));

export interface ReadRequest {
  /** `pending`: given to an earlier owner and not acked. `new`: never given to this group. */
  readonly from: "pending" | "new";
  /** For `pending`: only entries behind this id. */
  readonly after: string;
  readonly count: number;
  /** How many suspects may be given out together at first. @default 0, none */
  readonly suspects?: number;
  /** What the reader was told so far. @default nothing */
  readonly known?: OwnerCounts;
}

export type ReadResult =
  | {
      readonly kind: "entries";
      readonly entries: readonly Entry[];
      /** How many reads have brought this owner something new, this one included. */
      readonly reads: number;
      /** A former owner has taken entries after it lost the lease: they are pending, older than these perhaps. Read all that is pending again. */
      readonly stolen?: boolean;
    }
  | { readonly kind: "fenced" }
  | WentBack
  /** The next ones are suspects, and the request allowed none. Nothing was given out. */
  | { readonly kind: "suspects" };

/** Something that could not be handled. Where `original` is not given, the commit keeps the entry's own fields, byte for byte. */
export interface DeadLetterDraft {
  /** The id of the entry that it stood in. */
  readonly entry: string;
  /** Place of the event in its frame, from 0. */
  readonly index: number;
  /** The stage that gave it up. */
  readonly stage: string;
  /** A short word that counts are kept under. */
  readonly reason: string;
  /** A sentence for people. */
  readonly error: string;
  /** The type of the event; empty where it could not be read. */
  readonly type: string;
  /** The id of the event; empty where it could not be read. */
  readonly eventId: string;
  /** The event as JSON, for one that came in a frame. */
  readonly original: string | undefined;
}

/** What one script makes true at once, or not at all. */
export interface Commit {
  /**
   * Its place among the commits of this owner, from 1 and without gaps: the next may be sent when this one is known to be made. Sent
   * again under its number, it is made once.
   */
  readonly number: number;
  /** How many reads had brought the owner something new when it was sent. */
  readonly reads: number;
  /** All of them were given to this owner, and not acked: else nothing of the commit becomes true. */
  readonly entries: readonly string[];
  /** Increments of the ledger: counter to number of events. */
  readonly counts: Readonly<Record<string, number>>;
  /** Where there is no room for more of them, one is not kept; the counter `notKept` of the ledger tells how many were not. */
  readonly deadLetters: readonly DeadLetterDraft[];
  /** `undefined` for a pipeline that keeps no state. */
  readonly keyed: KeyedCommit | undefined;
  /** Names of events to remember. @default none */
  readonly names?: NamesCommit | undefined;
  /** Frames of derived events, for the outbox. */
  readonly derived: readonly DerivedFrame[];
  /** Every entry up to this one is settled, with this commit. Not known where an earlier one is not yet. */
  readonly checkpoint: string | undefined;
}

/**
 * Who has noticed that events are gone, where it is no producer: a pipeline that was `given` them (producers may have noticed the same
 * ones), or that has `derived` them and stored them in another log.
 */
export interface VanishedOf {
  readonly pipeline: string;
  readonly kind: "given" | "derived";
}

/** Where to listen: something newer than `after`. */
export interface Watch {
  readonly partition: Partition;
  readonly after: string;
}

/** What the owner of a partition asks of the log. What another owner may have moved on meanwhile, it asks under its fence. */
export interface PartitionLog extends KeyedStore, NameStore, Outboxes {
  /**
   * Takes the lease, where it is free, has run out or is one's own, and makes sure that the group exists, from the stream's first
   * entry. Each taking raises the epoch: what an owner sent before it lost the lease is fenced, also if it gets the lease back.
   */
  acquire(partition: Partition, pipeline: string, lease: { readonly owner: string; readonly ttlMs: number }): Promise<Acquired>;
  /** False when the lease is lost. */
  renew(fence: Fence, ttlMs: number): Promise<boolean>;
  release(fence: Fence): Promise<void>;
  /** Reads the log of the fence's partition (its own or its replay log), and counts what is new in the ledger, in one step. */
  read(fence: Fence, request: ReadRequest): Promise<ReadResult>;
  /**
   * Hands entries back that were given out and not acked: that time no longer counts as a delivery. Called twice, it takes off two. A former
   * owner may call it too, since it lives: what its successor was given meanwhile stays with that one.
   */
  nack(fence: Fence, entries: readonly string[]): Promise<void>;
  /** States, derived frames, ledger, dead letters and acks under the fence, in one step. */
  commit(fence: Fence, commit: Commit): Promise<"committed" | "fenced" | WentBack>;
  /** Adds to the count of events that a pipeline was given, or has derived, and that are gone from Redis, for the audit. Resolves with the count. */
  tellVanished(partition: Partition, events: number, by: VanishedOf): Promise<number>;
  /** How many entries the log holds from one to another. */
  count(partition: Partition, from: string, to: string): Promise<number>;
  /** The newest entries of the log before one of them, newest first; without one, of all. */
  newest(
    partition: Partition,
    page: { readonly before: string | undefined; readonly count: number },
  ): Promise<readonly LogEntry[]>;
  /** Resolves when one of the partitions may hold something new, or after `timeoutMs`, or when the signal aborts. Never rejects. */
  wait(watches: readonly Watch[], timeoutMs: number, signal: AbortSignal): Promise<void>;
}
