import type { RetentionPlan } from "../plan/plan.ts";
import type { Partition } from "./partition.ts";
import type { DeadLetterDraft, PartitionLog } from "./partition-log.ts";
import type { Replays } from "./replays.ts";

/** What the dead letters of a partition take at most, bytes, where nothing else is said: a flood of them must not fill up the store. */
export const maxDeadLetterBytes = 64 * 1024 * 1024;

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

/** What operators' verbs and housekeeping ask of the log, whoever owns its partitions. */
export interface LogOperations extends Replays, Pick<PartitionLog, "newest"> {
  state(partition: Partition, pipeline: string): Promise<GroupState>;
  /** The clock of the server that keeps the partition and dates its entries and dead letters, milliseconds since the epoch. */
  time(partition: Partition): Promise<number>;
  /** A keyed state, by its name; null where there is none. */
  peek(partition: Partition, pipeline: string, name: string): Promise<string | null>;
  /** Those that are there when the iteration begins: what is replayed and set aside again meanwhile is not met twice. */
  deadLetters(partition: Partition): AsyncIterable<DeadLetter>;
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
}
