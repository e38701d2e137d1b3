import type { RetentionPlan } from "../plan/plan.ts";
import type { Durability } from "./durability.ts";
import type { Fence, Links, WentBack } from "./fence.ts";
import type { KeyedCommit, KeyedStore } from "./keyed-store.ts";
import type { NameStore, NamesCommit } from "./known-names.ts";
import type { Partition } from "./partition.ts";
import type { Replays } from "./replays.ts";

export type { Fence, Links, WentBack } from "./fence.ts";

/** The one consumer of every group: a partition has one owner at a time, so recovery is "read my pending entries from 0". */
export const consumerName = "owner";

export type Acquired =
  | {
      readonly kind: "owned";
      readonly epoch: number;
      readonly tenure: number;
      /** The newest entry that the group was ever given: where new ones begin. */
      readonly lastDelivered: string;
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

/**
 * From its delivery number `suspect` on, a pending entry may be what ended its readers: it is given out in ever smaller groups, and
 * only to a reader that takes nothing else meanwhile; at delivery number `last` it is alone. After that it is set aside.
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
  readonly known?: Links;
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

/** What the dead letters of a partition take at most, bytes, where nothing else is said: a flood of them must not fill up the store. */
export const maxDeadLetterBytes = 64 * 1024 * 1024;

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
  readonly floor: string | undefined;
}

/** Events that a pipeline made, on their way to a partition of another stream. The commit numbers them. */
export interface DerivedFrame {
  readonly to: Partition;
  readonly frame: UnnumberedFrame;
}

/** Names a derived frame among those of its outbox for one log: numbers go on for ever, and come again where Redis goes back. */
export interface FrameLink {
  /** The tenure of the owner whose commit made it. */
  readonly incarnation: number;
  readonly sequence: number;
}

/** What an outbox holds until it has been stored where it belongs. */
export interface OutboxEntry {
  readonly id: string;
  readonly to: Partition;
  readonly frame: Frame;
  /** The frame before it for the same log. */
  readonly after: FrameLink | undefined;
  /** Events in all frames for that log before it. */
  readonly sum: number;
}

/** A record of an outbox that nobody can read, however it came there: it stays, and what is next behind it for the same log waits. */
export interface UnreadableRecord {
  readonly id: string;
  readonly to: undefined;
  /** A part of a sentence, such as `its 'to' is no partition`. */
  readonly fault: string;
}

export type OutboxRecord = OutboxEntry | UnreadableRecord;

/** A derived frame on its way to its log. */
export interface RelayedFrame extends Omit<OutboxEntry, "id"> {
  /** Events of the frame that are there already, and are left out of it: its number counts for them too. */
  readonly without: number;
  /** How many strays of this outbox the owner knows of in the log: where there are more or fewer, the frame is refused as unlinked. */
  readonly strays: number;
  /** The tenure of the owner that relays. */
  readonly tenure: number;
  /** Stores it behind this frame (`undefined`: behind none) instead of the one it names, and counts what is gone from the log. */
  readonly instead?: { readonly last: FrameLink | undefined; readonly vanished: number };
}

export type Relayed =
  | { readonly kind: "stored" }
  | { readonly kind: "duplicate" }
  /**
   * The last frame of this outbox in the log is not the one before: one of the two has gone back to an earlier state. Or it is, and the
   * log has other strays than the relay knows of.
   */
  | { readonly kind: "unlinked"; readonly last: (FrameLink & { readonly sum: number }) | undefined }
  /** A later owner has relayed to the log. */
  | { readonly kind: "superseded" };

/** A frame before its producer numbers it. */
export type UnnumberedFrame = Omit<Frame, "producer" | "incarnation" | "sequence">;

/** A frame ready to be stored; see frame.ts for its body. */
export interface Frame {
  readonly producer: string;
  /** Grows when a producer starts again under its old id: its numbers then begin anew at 0. */
  readonly incarnation: number;
  /** Number of the frame among this producer's frames to this partition, from 0, without gaps. */
  readonly sequence: number;
  readonly count: number;
  readonly codec: "j" | "jz";
  /** Earliest and latest event time, milliseconds since the epoch. */
  readonly minTime: number;
  readonly maxTime: number;
  readonly checksum: string;
  readonly body: Buffer;
}

export type Appended =
  | { readonly kind: "stored"; readonly entry: string }
  /** This frame was stored before. */
  | { readonly kind: "duplicate" }
  /** Frames between the last stored one and this one are missing: send them first. */
  | { readonly kind: "gap"; readonly last: number }
  /** A larger incarnation has begun under this producer's name. Nothing was stored, now; whether it was before is not known. */
  | { readonly kind: "superseded"; readonly incarnation: number };

/** An event, or a whole entry, that was set aside: `headrace dlq` shows it, and can send it again. */
export interface DeadLetter extends DeadLetterDraft {
  /** Its own id in the list of dead letters. */
  readonly id: string;
  /** The pipeline that set it aside. */
  readonly pipeline: string;
  /** Where it was read, such as `logins/07`. */
  readonly partition: string;
  /** When it was set aside, ISO 8601. */
  readonly at: string;
  /** The entry's own fields, where `original` is undefined. */
  readonly fields: readonly (readonly [name: string, value: Buffer])[];
}

/** How far a group is with a partition: with its log and with the replay log of the pipeline, taken together. */
export interface GroupState {
  readonly owner: string | undefined;
  readonly epoch: number;
  /** Entries given out and not acked. */
  readonly pendingEntries: number;
  /** Events in those entries. */
  readonly pendingEvents: number;
  /** Entries never given out. */
  readonly lagEntries: number;
  /** Time of the oldest entry that is not acked, milliseconds since the epoch. */
  readonly oldest: number | undefined;
  /** The newest entry of the partition's log that the group was ever given; `0-0` where there is none. */
  readonly lastDelivered: string;
  readonly counts: Readonly<Record<string, number>>;
  /** What somebody removed before the group was given it. Entries may hold many events: until the group has read all that is left, each counts as one. */
  readonly lost: { readonly entries: number; readonly events: number };
  /**
   * Events that were stored, and that Redis has lost since, as far as producers or the group's owners have noticed: the group may have
   * read them before. And events that it has derived, and that are gone from where they were stored.
   */
  readonly vanished: number;
}

/**
 * Who has noticed that events are gone, where it is no producer: a pipeline that was `given` them (producers may have noticed the same
 * ones), or that has `derived` them and stored them in another log.
 */
export interface VanishedOf {
  readonly pipeline: string;
  readonly kind: "given" | "derived";
}

/** An entry, whoever was given it. */
export type LogEntry = Pick<Entry, "id"> & { readonly fields: readonly Buffer[] };

/** What may go of a partition's log. */
export interface TrimRequest {
  readonly retention: RetentionPlan;
  /** Groups that are to read it. While one of them has not been created yet, everything is still unread. */
  readonly groups: readonly string[];
}

export interface Trimmed {
  /** Entries. */
  readonly removed: number;
  /** There may be more to remove: a call does a bounded amount of work. */
  readonly more: boolean;
  /** The group that keeps the oldest entry of those which the retention would remove. */
  readonly held: HeldBack | undefined;
}

export interface HeldBack {
  readonly group: string;
  /** The oldest entry that is kept for it. */
  readonly entry: string;
  /** How long ago that was stored, milliseconds. */
  readonly ageMs: number;
  /** Entries given to the group and not acked. */
  readonly pendingEntries: number;
  /** Entries never given to it; `undefined` where the server cannot tell. */
  readonly lagEntries: number | undefined;
  /** It is one of the groups that are to read, and has not been created. */
  readonly missing: boolean;
}

/** Where to listen: something newer than `after`. */
export interface Watch {
  readonly partition: Partition;
  readonly after: string;
}

/** What the engine needs of a log of partitions. Drivers: Redis Streams, and the in-memory twin of the tests. */
export interface Bus extends Replays, KeyedStore, NameStore {
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
  /** Hands entries back that were given out and not acked: that time no longer counts as a delivery. Twice takes off two. */
  nack(fence: Fence, entries: readonly string[]): Promise<void>;
  /** States, derived frames, ledger, dead letters and acks under the fence, in one step. */
  commit(fence: Fence, commit: Commit): Promise<"committed" | "fenced" | WentBack>;
  /**
   * Stores a frame once, however often it is appended.
   * @throws RetryableError when it is not known to be stored (`bus.full`: it is not): append the same frame again;
   *   ConfigError when waiting will not help
   */
  append(partition: Partition, frame: Frame, durability?: Durability): Promise<Appended>;
  /**
   * Resolves when frames can be appended at this level.
   * @throws ConfigError when the server cannot give it, RetryableError when it cannot at present
   */
  checkDurability(durability: Durability): Promise<void>;
  /**
   * Removes the oldest entries that every group of the stream, whosever it is, has read and acked, as far as they exceed the
   * retention. A stream without any group is left whole: nobody has read it.
   */
  trim(partition: Partition, request: TrimRequest): Promise<Trimmed>;
  /**
   * Forgets producers that have stored nothing for `silentMs`, and tells how many; their next frame must begin a new incarnation.
   * Outboxes are not forgotten: their numbers go on for ever.
   */
  forgetProducers(partition: Partition, silentMs: number): Promise<number>;
  /** Adds to the count of events that were stored and are gone from Redis, for the audit. Resolves with the count. */
  tellVanished(partition: Partition, events: number, by?: VanishedOf): Promise<number>;
  /** How many entries the log holds from one to another. */
  count(partition: Partition, from: string, to: string): Promise<number>;
  /** The newest entries of the log before one of them, newest first; without one, of all. */
  newest(
    partition: Partition,
    page: { readonly before: string | undefined; readonly count: number },
  ): Promise<readonly LogEntry[]>;
  /** The oldest derived frames that are not yet where they belong, behind one of them, up to `count`. */
  outbox(
    partition: Partition,
    pipeline: string,
    page: { readonly after?: string; readonly count: number },
  ): Promise<readonly OutboxRecord[]>;
  /**
   * Stores a frame of an outbox in its log, once, behind the one before it.
   * @throws RetryableError when it is not known to be stored, ConfigError when waiting will not help
   */
  relay(frame: RelayedFrame): Promise<Relayed>;
  /**
   * Remembers ids of derived events that are in a log, though no commit of the outbox made them: they are not to come in again. They are
   * kept beside the log that holds them, so that they go back with it alone.
   */
  rememberStrays(to: Partition, producer: string, ids: readonly string[]): Promise<void>;
  strays(to: Partition, producer: string): Promise<ReadonlySet<string>>;
  /**
   * Takes frames that were stored off the outbox; they may be taken off again. `commits`: how many the owner was told that it has made.
   * False, and nothing is taken off, where the lease is lost, or Redis has forgotten commits: the logs may lack what the outbox holds.
   */
  relayed(fence: Fence, ids: readonly string[], commits: number): Promise<boolean>;
  /** Resolves when one of the partitions may hold something new, or after `timeoutMs`, or when the signal aborts. Never rejects. */
  wait(watches: readonly Watch[], timeoutMs: number, signal: AbortSignal): Promise<void>;
  state(partition: Partition, pipeline: string): Promise<GroupState>;
  /** The clock of the server that keeps the partition and dates its entries and dead letters, milliseconds since the epoch. */
  time(partition: Partition): Promise<number>;
  /** Those that are there when the iteration begins: what is replayed and set aside again meanwhile is not met twice. */
  deadLetters(partition: Partition): AsyncIterable<DeadLetter>;
  close(): Promise<void>;
}
