import type { Frame, UnnumberedFrame } from "./append-log.ts";
import type { Fence } from "./fence.ts";
import type { Partition } from "./partition.ts";

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

/** Derived events on their way: a commit puts them in the outbox of its partition, and the owner stores them in their logs. */
export interface Outboxes {
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
}
